//! Against real namespaces: these need root, util-linux and openssh-server, as `just test` sees to.

use super::*;

fn wanted(folder: &Path, name: &str) -> Wanted {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    Wanted {
        name: name.to_owned(),
        port,
        also_on: None,
        password: Some(Secret("harbour".into())),
        backend: Choice::Namespace,
        image: container::IMAGE.into(),
        docker_host: None,
        folder: folder.to_owned(),
    }
}

async fn up(wanted: &Wanted) -> Made {
    present(wanted, &CancellationToken::new()).await.unwrap()
}

fn host_key(wanted: &Wanted) -> String {
    std::fs::read_to_string(wanted.folder.join(&wanted.name).join("disk/etc/ssh/ssh_host_ed25519_key.pub")).unwrap()
}

#[tokio::test]
async fn a_machine_comes_up_once_rests_with_its_disk_and_leaves_nothing() {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().join("demo");
    let wanted = wanted(&folder, "quay-1");
    let first = up(&wanted).await;
    assert!(first.changed);
    assert_eq!(first.backend, Backend::Namespace);
    assert!(reach::banner(wanted.port).await);
    assert!(!up(&wanted).await.changed);

    let key = host_key(&wanted);
    assert!(stopped("quay-1", &folder).await.unwrap());
    assert!(!reach::banner(wanted.port).await);
    assert!(!stopped("quay-1", &folder).await.unwrap());
    assert!(up(&wanted).await.changed);
    assert_eq!(host_key(&wanted), key);

    assert!(absent("quay-1", &folder).await.unwrap());
    assert!(!absent("quay-1", &folder).await.unwrap());
    assert!(!reach::banner(wanted.port).await);
    assert!(!folder.exists());
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(&*state.path().to_string_lossy()));
}

#[tokio::test]
async fn a_machine_answers_on_one_more_address_when_told_so() {
    let state = tempfile::tempdir().unwrap();
    let plain = wanted(state.path(), "quay-1");
    up(&plain).await;
    let elsewhere = std::net::SocketAddr::from(([127, 0, 0, 2], plain.port));
    assert!(std::net::TcpStream::connect(elsewhere).is_err());
    let told = Wanted { also_on: Some(elsewhere.ip()), ..plain };
    assert!(up(&told).await.changed);
    assert!(reach::banner(told.port).await);
    std::net::TcpStream::connect(elsewhere).unwrap();
    absent("quay-1", state.path()).await.unwrap();
}

#[tokio::test]
async fn another_password_makes_the_machine_anew() {
    let state = tempfile::tempdir().unwrap();
    let wanted = wanted(state.path(), "quay-1");
    up(&wanted).await;
    let key = host_key(&wanted);
    let other = Wanted { password: Some(Secret("anchor".into())), ..wanted.clone() };
    assert!(up(&other).await.changed);
    assert_ne!(host_key(&wanted), key);
    absent("quay-1", state.path()).await.unwrap();
}

#[tokio::test]
async fn a_password_is_made_when_none_is_given_and_told_again_later() {
    let state = tempfile::tempdir().unwrap();
    let wanted = Wanted { password: None, ..wanted(state.path(), "quay-1") };
    let Secret(first) = up(&wanted).await.password.unwrap();
    let Secret(again) = up(&wanted).await.password.unwrap();
    assert_eq!(first.len(), 16);
    assert_eq!(first, again);
    absent("quay-1", state.path()).await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_named_and_nothing_is_left() {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().join("demo");
    let wanted = wanted(&folder, "quay-1");
    let _other = std::net::TcpListener::bind(("127.0.0.1", wanted.port)).unwrap();
    let error = present(&wanted, &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, Error::PortTaken(port) if port == wanted.port));
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_stale_pid_file_ends_nobody() {
    let state = tempfile::tempdir().unwrap();
    let wanted = wanted(state.path(), "quay-1");
    up(&wanted).await;
    stopped("quay-1", state.path()).await.unwrap();
    // Our own pid with another's start time: whoever trusts the number alone ends this test.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    std::fs::write(state.path().join("quay-1/pid"), format!("{} 1 1 {boot}", std::process::id())).unwrap();
    assert!(!stopped("quay-1", state.path()).await.unwrap());
    absent("quay-1", state.path()).await.unwrap();
}

#[tokio::test]
async fn names_that_could_leave_the_folder_are_refused() {
    let state = tempfile::tempdir().unwrap();
    for name in ["", "../x", "-x", "a/b", "a b", "a\nb", "$(id)", &"a".repeat(41)] {
        let wanted = wanted(state.path(), name);
        assert!(matches!(present(&wanted, &CancellationToken::new()).await, Err(Error::BadName(_))), "{name}");
        assert!(!absent(name, state.path()).await.unwrap(), "{name}");
    }
}

#[tokio::test]
async fn docker_alone_says_what_to_do_when_no_engine_answers() {
    let state = tempfile::tempdir().unwrap();
    let wanted = Wanted {
        backend: Choice::Docker,
        docker_host: Some(format!("unix://{}/none.sock", state.path().display())),
        ..wanted(state.path(), "quay-1")
    };
    let error = present(&wanted, &CancellationToken::new()).await.unwrap_err().to_string();
    assert!(error.contains("no Docker engine answers"), "{error}");
    assert!(error.contains("DOCKER_HOST"), "{error}");
    absent("quay-1", state.path()).await.unwrap();
}

#[tokio::test]
async fn without_an_engine_auto_takes_a_namespace_and_says_why() {
    let state = tempfile::tempdir().unwrap();
    let wanted = Wanted {
        backend: Choice::Auto,
        docker_host: Some(format!("unix://{}/none.sock", state.path().display())),
        ..wanted(state.path(), "quay-1")
    };
    let made = up(&wanted).await;
    assert_eq!(made.backend, Backend::Namespace);
    assert!(made.why.contains("no Docker engine answers"), "{}", made.why);
    absent("quay-1", state.path()).await.unwrap();
}
