//! The ground that the other tests stand on, tested itself.

use sqlx::{AnyConnection, Connection, Executor};

use crate::harness::{machines::machines, mariadb::MariaDb};

#[tokio::test]
async fn a_killed_database_comes_back_with_its_rows() {
    let mut server = MariaDb::start();
    let url = server.fresh().await;
    let mut conn = AnyConnection::connect(&url).await.unwrap();
    conn.execute("create table t (a bigint)").await.unwrap();
    server.kill();
    assert!(AnyConnection::connect(&url).await.is_err());
    server.restart();
    let mut conn = AnyConnection::connect(&url).await.unwrap();
    conn.execute("select a from t").await.unwrap();
    server.kill();
}

#[tokio::test]
async fn machines_answer_rest_and_are_gone_with_their_test() {
    let machines = machines(2).await;
    let ports: Vec<u16> = machines.all.iter().map(|m| m.port).collect();
    assert_eq!(machines.inventory().lines().count(), 3);
    assert_eq!(machines.all[0].file("/etc/hostname").unwrap().trim(), "quay-1");
    let answers = |port: u16| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
    machines.all[0].stop().await;
    assert!(!answers(ports[0]) && answers(ports[1]));
    machines.all[0].start().await;
    assert!(answers(ports[0]));
    drop(machines);
    assert!(!answers(ports[0]) && !answers(ports[1]));
}
