//! The database: that it answers, is this program's, tells the same time, and was written with the key at hand.

use std::time::Duration;

use super::{Finding, within};
use crate::{
    clock::Clock,
    config::Config,
    ctx::Ctx,
    db::{Db, Dialect, Schema, Settings},
    jobs::{self, heartbeat},
    machines,
};

/// More than this between two clocks is worth a word.
const ODD: i64 = 2_000;
/// More than this makes tokens end early or late.
const WRONG: i64 = 30_000;

/// Looks at the database. Answers what the machines need, when all of it is there.
pub(super) async fn examine(config: &Config) -> (Vec<Finding>, Option<Ctx>) {
    let mut config = config.clone();
    let mut out = None;
    let findings = within("database", Duration::from_secs(20), async {
        match look(&mut config).await {
            Ok((findings, ctx)) => {
                out = ctx;
                findings
            }
            Err(finding) => vec![finding],
        }
    })
    .await;
    (findings, out)
}

async fn look(config: &mut Config) -> Result<(Vec<Finding>, Option<Ctx>), Finding> {
    let url = config.database.url.0.clone();
    if let Some(path) = Db::missing_file(&url) {
        let said = format!("there is no `{}` yet", path.display());
        let fix = "the first `berth serve` makes it; if it has run already, DATABASE_URL or BERTH_DATA_DIR is not what it was then";
        return Err(Finding::warning("database", said, fix));
    }
    let settings = Settings { url, retries: 0, retry_every: Duration::ZERO, max_connections: 4 };
    let db = Db::connect(&settings, Clock::default()).await.map_err(|error| {
        let fix = "start the database, and check host, port, name, user and password in DATABASE_URL";
        Finding::error("database", error.to_string(), fix)
    })?;
    let refused = |error: sqlx::Error| {
        let fix = "look at the database's own log; `berth doctor` as Berth's user must be able to read its tables";
        Finding::error("database", format!("it refuses: {error}"), fix)
    };
    db.ping().await.map_err(refused)?;
    let mut findings =
        vec![Finding::ok("database", if db.dialect() == Dialect::Sqlite { "SQLite answers" } else { "it answers" })];
    let schema = db.schema().await.map_err(refused)?;
    findings.push(match schema {
        Schema::Current => Finding::ok("database.schema", "is this program's"),
        Schema::Behind(missing) => {
            let said = format!("{missing} migrations are missing");
            Finding::error("database.schema", said, "run `berth migrate`, or start `berth serve`, after a backup")
        }
        Schema::Newer => {
            let fix = "both may run side by side for a while; update this program soon";
            Finding::warning(
                "database.schema",
                "a newer Berth has changed it, in a way that this one can live with",
                fix,
            )
        }
        Schema::Ahead => {
            let fix = "update this program, or put back the backup from before the other was started";
            Finding::error("database.schema", "a newer Berth has changed it", fix)
        }
    });
    if let Some(collation) = db.collation().await.map_err(refused)? {
        findings.push(if collation.ends_with("_bin") && (collation.contains("nopad") || collation.contains("0900")) {
            Finding::ok("database.collation", collation)
        } else {
            let said = format!("is `{collation}`, for which `a` may be the same as `A` or as `a `");
            let fix = "make the database with `collate utf8mb4_nopad_bin` (MySQL: `utf8mb4_0900_bin`) and put the data into it";
            Finding::error("database.collation", said, fix)
        });
        findings.push(clocks(&db).await.map_err(refused)?);
    }
    if !matches!(schema, Schema::Current | Schema::Newer) {
        return Ok((findings, None));
    }
    if config.secret_key.is_none() {
        config.secret_key = std::fs::read_to_string(config.secret_key_file())
            .ok()
            .map(|text| crate::remote::Secret(text.trim().to_owned()));
    }
    let Some(sealer) = config.sealer() else { return Ok((findings, None)) };
    let ctx = Ctx::new(config.clone(), db, Clock::default(), sealer);
    findings.push(opens(&ctx).await.map_err(refused)?);
    findings.extend(work(&ctx).await.map_err(refused)?);
    Ok((findings, Some(ctx)))
}

/// How far the database's clock is from this machine's.
async fn clocks(db: &Db) -> sqlx::Result<Finding> {
    let clock = Clock::default();
    let mut conn = db.read().await?;
    let before = clock.now();
    let there = db.now(&mut conn).await?;
    let here = i64::midpoint(before, clock.now());
    let apart = (there - here).abs();
    let said = format!(
        "this machine and the database are {:.1} s apart",
        Duration::from_millis(apart.unsigned_abs()).as_secs_f64()
    );
    let fix = "let both keep time by NTP (`timedatectl`, `chronyc tracking`); the database's clock judges reservations, this one tokens";
    Ok(match apart {
        ..ODD => Finding::ok("clock", said),
        ODD..WRONG => Finding::warning("clock", said, fix),
        _ => Finding::error("clock", said, fix),
    })
}

/// Whether the key at hand opens what is stored.
async fn opens(ctx: &Ctx) -> sqlx::Result<Finding> {
    let check = "keys.opens";
    let mut conn = ctx.db.read().await?;
    let Some(machine) = machines::any_with_password(&mut conn).await? else {
        return Ok(Finding::ok(check, "no credential is stored that it could open"));
    };
    Ok(match machines::opens_password(ctx, &machine) {
        Ok(()) => Finding::ok(check, format!("opens the credentials of `{}`", machine.name)),
        Err(error) => {
            let fix = "put back the key that was in use when the machine was registered (BERTH_SECRET_KEY or secret.key), or register it again";
            Finding::error(check, format!("machine `{}`: {error}", machine.name), fix)
        }
    })
}

/// Whether somebody does the work.
async fn work(ctx: &Ctx) -> sqlx::Result<Vec<Finding>> {
    let pulse = heartbeat::pulse(ctx).await?;
    let mut findings = Vec::new();
    let roles: Vec<String> = pulse.alive.iter().map(|(role, count)| format!("{count} {role}")).collect();
    findings.push(if roles.is_empty() {
        let since =
            pulse.age.map_or("none was ever there".to_owned(), |age| format!("the last sign was {} s ago", age / 1000));
        let fix =
            "start `berth serve` or `berth-scheduler`; until then nothing is provisioned and nothing is taken back";
        Finding::warning("scheduler", format!("nobody runs jobs: {since}"), fix)
    } else {
        Finding::ok("scheduler", format!("jobs are run by {}", roles.join(" and ")))
    });
    let overdue = jobs::overdue(ctx, Duration::from_secs(30)).await?;
    if 0 < overdue {
        let said = format!("{overdue} jobs wait for somebody for more than half a minute");
        let fix =
            "start a scheduler, or give it more `BERTH_JOB_WORKERS`; `docs/OPERATIONS.md` has more at BerthJobsOverdue";
        findings.push(Finding::warning("scheduler", said, fix));
    }
    Ok(findings)
}
