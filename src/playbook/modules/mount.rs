//! `mount`: file systems, in fstab and in place.

use super::common::{ATTRS, EDIT, RUN, Step, WRITE, arg, flag, required, text, text_of, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};

/// The module.
pub static MOUNT: Module = Module {
    name: "mount",
    collections: &["ansible.posix", "ansible.builtin"],
    summary: "mounts file systems and keeps their lines of fstab",
    args: &[
        Arg { aliases: &["name"], ..required("path", Kind::Path, "where; for swap anything, as `none`") },
        Arg { aliases: &["source"], ..arg("src", Kind::Str, "what: a device, `UUID=…`, `host:/path`") },
        arg("fstype", Kind::Str, "which kind of file system"),
        arg("opts", Kind::Str, "options, by commas"),
        with_default("dump", Kind::Str, "'0'", "fifth field of fstab"),
        with_default("passno", Kind::Str, "'0'", "sixth field of fstab"),
        Arg {
            choices: &["absent", "absent_from_fstab", "ephemeral", "mounted", "present", "remounted", "unmounted"],
            ..required("state", Kind::Str, "mounted and in fstab, only one of both, gone, or mounted anew")
        },
        arg("fstab", Kind::Path, "another file than /etc/fstab"),
        with_default("boot", Kind::Bool, "true", "false: `noauto`"),
        with_default("backup", Kind::Bool, "false", "keep a dated copy of fstab before a change"),
        with_default("opts_no_log", Kind::Bool, "false", "do not tell `opts`"),
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, EDIT, RUN, SH], script },
};

const SH: &str = r#"
b_mount() {
  b_nl='
'
  [ -n "$b_quiet" ] && DIFF=
  out name "$b_point"
  for b_p in src fstype dump passno fstab; do eval "[ -z \"\$b_m_$b_p\" ] || out $b_p \"\$b_m_$b_p\""; done
  [ -z "$b_m_opts" ] || { [ -n "$b_quiet" ] && out opts VALUE_SPECIFIED_IN_NO_LOG_PARAMETER || out opts "$b_m_opts"; }
  case $b_state in
    present) b_fstab put ;;
    absent_from_fstab) b_fstab drop ;;
    absent)
      b_fstab drop
      if b_mounted; then
        changed
        [ -n "$CHECK" ] || b_must umount -- "$b_point"
      fi
      if [ -d "$b_point" ] && [ ! -h "$b_point" ]; then
        changed
        if [ -z "$CHECK" ]; then b_x=$(rmdir -- "$b_point" 2>&1) || case $b_x in *'ot empty'* | *usy*) ;; *) fail "Error rmdir $b_point: $b_x" ;; esac; fi
      fi
      ;;
    unmounted)
      b_mounted || return 0
      changed
      [ -n "$CHECK" ] || b_must umount -- "$b_point"
      ;;
    remounted)
      changed
      [ -n "$CHECK" ] || b_remount
      ;;
    ephemeral)
      if b_mounted; then
        if [ "$b_now_src" != "$b_m_src" ]; then fail "Ephemeral mount point is already mounted with a different source: $b_now_src"; fi
        changed
        [ -n "$CHECK" ] || b_must mount -o "remount${b_m_opts:+,$b_m_opts}" -- "$b_point"
        return 0
      fi
      changed
      [ -z "$CHECK" ] || return 0
      b_point_dir
      b_must mount -t "$b_m_fstype" ${b_m_opts:+-o "$b_m_opts"} -- "$b_m_src" "$b_point"
      ;;
    mounted)
      b_did=
      b_fstab put
      if b_mounted; then
        [ -z "$b_did" ] || [ -n "$CHECK" ] || b_remount
        return 0
      fi
      changed
      [ -z "$CHECK" ] || return 0
      b_point_dir
      if [ "$b_m_fstab" = /etc/fstab ]; then b_must mount -- "$b_point"
      else b_must mount -t "$b_m_fstype" ${b_m_opts:+-o "$b_m_opts"} -- "$b_m_src" "$b_point"; fi
      ;;
  esac
}
b_point_dir() { [ -e "$b_point" ] || b_x=$(mkdir -p -- "$b_point" 2>&1) || fail "Error making dir $b_point: $b_x"; }
b_remount() {
  if [ "$b_m_fstab" = /etc/fstab ] || [ -z "$b_m_src" ]; then b_try mount -o "remount${b_m_opts:+,$b_m_opts}" -- "$b_point" && return 0
  else b_try mount -t "$b_m_fstype" -o "remount${b_m_opts:+,$b_m_opts}" -- "$b_m_src" "$b_point" && return 0; fi
  b_must umount -- "$b_point"
  b_must mount -- "$b_point"
}
# Whether something is mounted there; the last mount counts, its source goes into b_now_src.
b_mounted() {
  b_now_src= b_hit=1
  while read -r b_d b_m b_x; do
    case $b_m in *\\*) b_m=$(printf '%b' "$(printf %s "$b_m" | sed 's/\\\([0-7]\)/\\0\1/g')") ;; esac
    if [ "$b_m" = "$b_point" ]; then b_hit=0 b_now_src=$b_d; fi
  done <"${b_mounts:-/proc/self/mounts}"
  return "$b_hit"
}
# b_fstab put|drop: the line of b_point. Sets b_did when that is a change.
b_fstab() {
  b_text "$b_m_fstab"
  b_new= b_rest=$b_old b_seen=
  while [ -n "$b_rest" ]; do
    b_l=${b_rest%%"$b_nl"*}
    case $b_rest in *"$b_nl"*) b_rest=${b_rest#*"$b_nl"} ;; *) b_rest= ;; esac
    set -f
    case $b_l in '#'* | '') set -- "$1" ;; *) set -- "$1" $b_l ;; esac
    set +f
    if [ $# -ge 4 ] && [ "$3" = "$b_enc_point" ] && { [ "$3" != none ] && [ "$4" != swap ] || [ "$2" = "$b_enc_src" ]; }; then
      [ "$1" = put ] || continue
      [ -z "$b_seen" ] || continue
      b_seen=1
      # Fields that the task does not name stay.
      b_want="$b_enc_src $b_enc_point $b_m_fstype ${b_enc_opts:-${5:-defaults}} $b_m_dump $b_m_passno"
      b_is="$2 $3 $4 ${5:-defaults} ${6:-0} ${7:-0}"
      [ "$b_want" = "$b_is" ] || b_l=$b_want
    fi
    b_new=$b_new$b_l$b_nl
  done
  if [ "$1" = put ] && [ -z "$b_seen" ]; then
    b_new="$b_new$b_enc_src $b_enc_point $b_m_fstype ${b_enc_opts:-defaults} $b_m_dump $b_m_passno$b_nl"
  fi
  case $b_old in '' | *"$b_nl") ;; *) [ "$b_new" != "$b_old$b_nl" ] || b_new=$b_old ;; esac
  if b_keep 644; then b_did=1; fi
}
"#;

/// A field of fstab: blanks and backslashes are written as octal numbers.
fn field(text: &str) -> String {
    text.replace('\\', "\\134")
        .replace(' ', "\\040")
        .replace('\t', "\\011")
        .replace('\n', "\\012")
        .replace('#', "\\043")
}

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let state = text(args, "state").unwrap_or_default();
    let path = text(args, "path").unwrap_or_default();
    if path.contains('\n') || path.is_empty() {
        return Err("`path` must be one line".to_owned());
    }
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    let src = text(args, "src").unwrap_or_default();
    let kind = text(args, "fstype").unwrap_or_default();
    if matches!(state, "mounted" | "present" | "ephemeral") {
        for (name, value) in [("src", src), ("fstype", kind)] {
            if value.is_empty() {
                return Err(format!("state is {state} but all of the following are missing: {name}"));
            }
        }
    }
    for (name, value) in [("src", src), ("fstype", kind), ("opts", text(args, "opts").unwrap_or_default())] {
        if value.starts_with('-') || value.contains('\n') {
            return Err(format!("`{name}` must be one line, and not start with `-`"));
        }
    }
    if state == "ephemeral" && flag(args, "boot") && text(args, "fstab").is_some() {
        return Err("`fstab` means nothing to `state: ephemeral`".to_owned());
    }
    let mut opts = text(args, "opts").unwrap_or_default().to_owned();
    if !flag(args, "boot") && !opts.split(',').any(|opt| opt == "noauto") {
        opts = if opts.is_empty() { "defaults,noauto".to_owned() } else { format!("{opts},noauto") };
    }
    let mut step = Step::new(scope);
    if path.starts_with(['/', '~', '$']) {
        step.set_path("b_point", path)?;
    } else {
        step.set("b_point", path)?;
    }
    step.set("b_state", state)?
        .set("b_m_src", src)?
        .set("b_m_fstype", kind)?
        .set("b_m_opts", &opts)?
        .set("b_m_dump", &text_of(args, "dump").unwrap_or_else(|| "0".to_owned()))?
        .set("b_m_passno", &text_of(args, "passno").unwrap_or_else(|| "0".to_owned()))?
        .set_path("b_m_fstab", text(args, "fstab").unwrap_or("/etc/fstab"))?
        .set("b_enc_src", &field(src))?
        .set("b_enc_point", &field(path))?
        .set("b_enc_opts", &field(&opts))?
        .set_flag("b_backup", flag(args, "backup"))
        .set_flag("b_quiet", flag(args, "opts_no_log"));
    Ok(step.run("b_mount").done())
}

#[cfg(test)]
mod tests {
    use super::MOUNT;
    use crate::playbook::modules::common::{
        trial::{Trial, args},
        world::{Kind, World},
    };

    #[test]
    fn lines_of_fstab_come_change_and_go() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("fstab", "# table\n/dev/a / ext4 defaults 0 1\n", 0o644);
            let run = |more: &str| trial.run(shell, &MOUNT, &args(&MOUNT, &format!("{{fstab: fstab, {more}}}")));
            let data = "path: '/mnt/my data', src: 'UUID=1', fstype: xfs, opts: 'ro,x', state: present";
            let first = run(data);
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            assert_eq!(
                trial.read("fstab"),
                "# table\n/dev/a / ext4 defaults 0 1\nUUID=1 /mnt/my\\040data xfs ro,x 0 0\n"
            );
            assert!(!run(data).changed);
            assert!(run("path: /, src: /dev/b, fstype: ext4, passno: 1, state: present, boot: false").changed);
            assert!(run("path: none, src: /swap, fstype: swap, state: present").changed);
            assert!(run("path: none, src: /swap2, fstype: swap, state: present").changed);
            let gone = "path: '/mnt/my data', state: absent_from_fstab";
            assert!(run(gone).changed && !run(gone).changed);
            assert_eq!(
                trial.read("fstab"),
                "# table\n/dev/b / ext4 defaults,noauto 0 1\n/swap none swap defaults 0 0\n/swap2 none swap defaults 0 0\n"
            );
            assert!(run("path: /x, state: mounted, fstype: x").failed.unwrap().contains("src"));
        }
    }

    #[test]
    fn a_file_system_is_mounted_mounted_anew_and_unmounted() {
        for kind in [Kind::Debian, Kind::Busybox] {
            let mut world = World::new(kind);
            world.sh("echo 'tmpfs / tmpfs rw 0 0' >/etc/fstab");
            let mut run = |more: &str, changed: bool| {
                let said = world.run(&MOUNT, &args(&MOUNT, &format!("{{path: /data/x, {more}}}")));
                assert!(said.failed.is_none() && said.changed == changed, "{kind:?} {more} {said:?}");
            };
            let all = "src: tmpfs, fstype: tmpfs, opts: 'size=1m', state: mounted";
            run(all, true);
            run(all, false);
            run("src: tmpfs, fstype: tmpfs, opts: 'size=2m', state: mounted", true);
            run("state: unmounted", true);
            run("state: unmounted", false);
            run("src: tmpfs, fstype: tmpfs, state: ephemeral", true);
            run("state: remounted", true);
            run("state: absent", true);
            run("state: absent", false);
            assert_eq!(world.sh("cat /etc/fstab; ls -d /data/x 2>/dev/null"), "tmpfs / tmpfs rw 0 0\n");
        }
    }
}
