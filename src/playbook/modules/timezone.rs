//! `timezone`: the host's zone, and what its hardware clock keeps.

use super::common::{ATTRS, EDIT, RUN, Step, WRITE, arg, text};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};

/// The module.
pub static TIMEZONE: Module = Module {
    name: "timezone",
    collections: &["community.general", "ansible.builtin"],
    summary: "sets the host's time zone",
    args: &[
        arg("name", Kind::Str, "the zone: `Europe/Berlin`"),
        Arg {
            aliases: &["rtc"],
            choices: &["UTC", "local"],
            ..arg("hwclock", Kind::Str, "whether the hardware clock keeps UTC or the zone's time")
        },
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, EDIT, RUN, SH], script },
};

const SH: &str = r#"
b_timezone() {
  b_nl='
' b_backup=
  if [ -n "$b_zone" ]; then
    [ -f "$b_zones/$b_zone" ] || fail "given timezone \"$b_zone\" is not available"
    b_is=$(readlink "$b_etc/localtime" 2>/dev/null)
    b_is=${b_is##*/zoneinfo/}
    b_kept=$b_zone
    if [ -f "$b_etc/timezone" ]; then IFS= read -r b_kept <"$b_etc/timezone" || :; fi
    if [ "$b_is" != "$b_zone" ] || [ "$b_kept" != "$b_zone" ]; then
      changed
      differ timezone "name: $b_is$b_nl" "name: $b_zone$b_nl"
      if [ -z "$CHECK" ]; then
        if [ -d /run/systemd/system ] && command -v timedatectl >/dev/null; then b_must timedatectl set-timezone "$b_zone"
        else
          rm -f -- "$b_etc/.localtime.berth" && ln -s "$b_zones/$b_zone" "$b_etc/.localtime.berth" &&
            mv -f -- "$b_etc/.localtime.berth" "$b_etc/localtime" || fail "cannot set \`$b_etc/localtime\`"
        fi
        if [ -f "$b_etc/timezone" ]; then DIFF=; b_text "$b_etc/timezone"; b_new=$b_zone$b_nl; b_keep 644 || :; fi
      fi
    fi
  fi
  if [ -n "$b_clock" ]; then
    b_text "$b_etc/adjtime"
    b_is=UTC
    case $b_nl$b_old in *"${b_nl}LOCAL"*) b_is=LOCAL ;; esac
    [ "$b_is" != "$b_clock" ] || return 0
    if [ -n "$b_old" ]; then b_new=${b_old%"$b_is"*}; b_new=${b_new%UTC$b_nl}; else b_new="0.0 0 0.0${b_nl}0$b_nl"; fi
    b_new=$b_new$b_clock$b_nl
    b_keep 644 || :
  fi
}
"#;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let zone = text(args, "name").unwrap_or_default();
    let clock = text(args, "hwclock").map(str::to_uppercase).unwrap_or_default();
    if zone.is_empty() && clock.is_empty() {
        return Err("give `name`, `hwclock`, or both".to_owned());
    }
    let fine = |c: char| c.is_ascii_alphanumeric() || "_-+/".contains(c);
    if zone.starts_with(['/', '-']) || !zone.chars().all(fine) {
        return Err(format!("`{}` is no time zone", zone.escape_debug()));
    }
    let mut step = Step::new(scope);
    step.set("b_zone", zone)?.set("b_clock", &clock)?;
    Ok(step.run("b_zones=${b_zones:-/usr/share/zoneinfo} b_etc=${b_etc:-/etc}\nb_timezone").done())
}

#[cfg(test)]
mod tests {
    use super::TIMEZONE;
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn the_zone_and_the_clock_are_set_once() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            std::fs::create_dir_all(trial.path("zoneinfo/Etc")).unwrap();
            std::fs::create_dir_all(trial.path("etc")).unwrap();
            trial.write("zoneinfo/Etc/GMT+1", "x", 0o644);
            trial.write("etc/timezone", "Old\n", 0o644);
            let fake = format!(
                "b_zones={0}/zoneinfo b_etc={0}/etc\ntimedatectl() {{ ln -sf \"$b_zones/$2\" \"$b_etc/localtime\"; }}",
                trial.at()
            );
            let run = |yaml: &str| trial.with_after(shell, &TIMEZONE, &args(&TIMEZONE, yaml), &fake);
            let both = "{name: Etc/GMT+1, hwclock: local}";
            let first = run(both);
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            let again = run(both);
            assert!(!again.changed && again.failed.is_none(), "{again:?}");
            assert_eq!(
                (trial.read("etc/timezone"), trial.read("etc/adjtime")),
                ("Etc/GMT+1\n".to_owned(), "0.0 0 0.0\n0\nLOCAL\n".to_owned())
            );
            assert!(std::fs::read_link(trial.path("etc/localtime")).unwrap().ends_with("zoneinfo/Etc/GMT+1"));
            assert!(run("{hwclock: UTC}").changed && !run("{hwclock: UTC}").changed);
            assert!(run("{name: No/Where}").failed.unwrap().contains("not available"));
            assert!(run("{name: '../../etc/passwd'}").failed.is_some());
        }
    }
}
