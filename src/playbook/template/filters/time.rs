//! Time: `strftime`, `to_datetime`, `now()`, and moments with the methods that Python's have.

use std::fmt::Write as _;

use std::{fmt, sync::Arc};

use jiff::{
    Timestamp,
    civil::DateTime,
    fmt::strtime::{BrokenDownTime, Config},
    tz::{Offset, TimeZone},
};
use minijinja::{
    Error, ErrorKind, State,
    value::{DynObject, Kwargs, Object, ObjectRepr, Value, from_args},
};

use super::super::{
    call::{Call, Entry, bad, entry, float_of},
    dump::py_str,
};
use crate::clock::Clock;

pub(in super::super) static TABLE: &[Entry] = &[
    entry(&["strftime"], "second utc", strftime),
    entry(&["to_datetime"], "format", |c| {
        let format = c.str_or(0, "%Y-%m-%d %H:%M:%S");
        Moment::parse(&c.text(), &format)
            .map(Value::from_object)
            .ok_or_else(|| c.fault(format_args!("time data '{}' does not match format '{format}'", c.text())))
    }),
];

/// The C locale's meaning of what depends on a locale, and Python's of `%f`.
fn plain_format(format: &str) -> String {
    let mut made = String::new();
    let mut letters = format.chars();
    while let Some(c) = letters.next() {
        match (c, (c == '%').then(|| letters.next()).flatten()) {
            ('%', Some('c')) => made.push_str("%a %b %e %H:%M:%S %Y"),
            ('%', Some('x')) => made.push_str("%m/%d/%y"),
            ('%', Some('X')) => made.push_str("%H:%M:%S"),
            ('%', Some('f')) => made.push_str("%6f"),
            ('%', Some(other)) => made.extend(['%', other]),
            (c, _) => made.push(c),
        }
    }
    made
}

fn written(time: &BrokenDownTime, format: &str) -> Result<String, Error> {
    let config: Config<_> = Config::new().lenient(true);
    time.to_string_with_config(&config, plain_format(format)).map_err(|why| bad(format!("`{format}`: {why}")))
}

fn strftime(c: &mut Call) -> Result<Value, Error> {
    let zone = if c.flag(1, false) { TimeZone::UTC } else { TimeZone::system() };
    let at = match c.some(0) {
        None => Clock::default().moment(),
        Some(second) => float_of(second)
            .and_then(stamp)
            .ok_or_else(|| c.fault(format_args!("Invalid value for epoch value ({})", py_str(second))))?,
    };
    written(&BrokenDownTime::from(&at.to_zoned(zone)), &c.text()).map(Value::from)
}

#[allow(clippy::cast_possible_truncation, reason = "what is out of range is refused by the conversion")]
fn stamp(seconds: f64) -> Option<Timestamp> {
    let whole = seconds.floor();
    Timestamp::new(whole as i64, ((seconds - whole) * 1e9) as i32).ok()
}

/// `now(utc=False, fmt=None)`.
#[allow(clippy::needless_pass_by_value, reason = "the template engine calls it so")]
pub(in super::super) fn now(utc: Option<bool>, format: Option<String>, options: Kwargs) -> Result<Value, Error> {
    let utc = utc.or(options.get::<Option<bool>>("utc")?).unwrap_or(false);
    let format = format.or(options.get::<Option<String>>("fmt")?);
    options.assert_all_used()?;
    let zone = if utc { TimeZone::UTC } else { TimeZone::system() };
    let now = Clock::default().moment().to_zoned(zone);
    match format {
        Some(format) => written(&BrokenDownTime::from(&now), &format).map(Value::from),
        None => Ok(Value::from_object(Moment { at: now.datetime(), offset: None })),
    }
}

/// Python's `datetime`.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Moment {
    at: DateTime,
    offset: Option<Offset>,
}

impl Moment {
    fn parse(text: &str, format: &str) -> Option<Self> {
        let time = BrokenDownTime::parse(format, text).ok()?;
        if let Some(stamp) = time.timestamp() {
            return Some(Self { at: stamp.to_zoned(TimeZone::system()).datetime(), offset: None });
        }
        let date = time.to_date().or_else(|_| {
            jiff::civil::Date::new(time.year().unwrap_or(1900), time.month().unwrap_or(1), time.day().unwrap_or(1))
        });
        let clock = time.to_time().unwrap_or_default();
        Some(Self { at: date.ok()?.to_datetime(clock), offset: time.offset() })
    }

    fn seconds(&self) -> Timestamp {
        let zone = self.offset.map_or(TimeZone::UTC, jiff::tz::Offset::to_time_zone);
        self.at.to_zoned(zone).map(|zoned| zoned.timestamp()).unwrap_or_default()
    }

    fn text(&self, between: char) -> String {
        let mut made = self.at.strftime(&format!("%Y-%m-%d{between}%H:%M:%S")).to_string();
        let micros = self.at.subsec_nanosecond() / 1000;
        if micros > 0 {
            let _ = write!(made, ".{micros:06}");
        }
        if let Some(offset) = self.offset {
            let (sign, seconds) = (if offset.seconds() < 0 { '-' } else { '+' }, offset.seconds().abs());
            let _ = write!(made, "{sign}{:02}:{:02}", seconds / 3600, seconds % 3600 / 60);
        }
        made
    }

    fn broken_down(&self) -> BrokenDownTime {
        match self.offset.and_then(|offset| self.at.to_zoned(offset.to_time_zone()).ok()) {
            Some(zoned) => BrokenDownTime::from(&zoned),
            None => BrokenDownTime::from(self.at),
        }
    }
}

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "year" => self.at.year().into(),
            "month" => self.at.month().into(),
            "day" => self.at.day().into(),
            "hour" => self.at.hour().into(),
            "minute" => self.at.minute().into(),
            "second" => self.at.second().into(),
            "microsecond" => (self.at.subsec_nanosecond() / 1000).into(),
            _ => return None,
        })
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let zone = || if self.offset.is_some() { TimeZone::UTC } else { TimeZone::system() };
        Ok(match method {
            "strftime" => {
                let (format,): (String,) = from_args(args)?;
                written(&self.broken_down(), &format)?.into()
            }
            "isoformat" => {
                let (between,): (Option<char>,) = from_args(args)?;
                self.text(between.unwrap_or('T')).into()
            }
            #[allow(clippy::cast_precision_loss, reason = "Python's is a float as well")]
            "timestamp" => {
                let at = match self.offset {
                    Some(_) => self.seconds(),
                    None => self.at.to_zoned(zone()).map(|zoned| zoned.timestamp()).unwrap_or_default(),
                };
                (at.as_microsecond() as f64 / 1e6).into()
            }
            "date" => Value::from(self.at.date().to_string()),
            "time" => Value::from(self.at.time().to_string()),
            "weekday" => self.at.weekday().to_monday_zero_offset().into(),
            "isoweekday" => self.at.weekday().to_monday_one_offset().into(),
            "utctimetuple" | "timetuple" => {
                let at = self.at;
                let parts = [at.month(), at.day(), at.hour(), at.minute(), at.second()].map(Value::from);
                [vec![Value::from(at.year())], parts.to_vec()].concat().into()
            }
            _ => return Err(ErrorKind::UnknownMethod.into()),
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<std::cmp::Ordering> {
        Some(self.seconds().cmp(&other.downcast_ref::<Self>()?.seconds()))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(' '))
    }
}

/// Python's `timedelta`, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Span(i64);

const DAY: i64 = 86_400_000_000;

impl Object for Span {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "days" => self.0.div_euclid(DAY).into(),
            "seconds" => (self.0.rem_euclid(DAY) / 1_000_000).into(),
            "microseconds" => (self.0.rem_euclid(1_000_000)).into(),
            _ => return None,
        })
    }

    #[allow(clippy::cast_precision_loss, reason = "Python's is a float as well")]
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, _: &[Value]) -> Result<Value, Error> {
        match method {
            "total_seconds" => Ok((self.0 as f64 / 1e6).into()),
            _ => Err(ErrorKind::UnknownMethod.into()),
        }
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.0 != 0
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<std::cmp::Ordering> {
        Some((**self).cmp(other.downcast_ref::<Self>()?))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        match days {
            0 => {}
            1 | -1 => write!(f, "{days} day, ")?,
            days => write!(f, "{days} days, ")?,
        }
        let seconds = rest / 1_000_000;
        write!(f, "{}:{:02}:{:02}", seconds / 3600, seconds % 3600 / 60, seconds % 60)?;
        match rest % 1_000_000 {
            0 => Ok(()),
            micros => write!(f, ".{micros:06}"),
        }
    }
}

/// `a - b` where one of them is a moment.
pub(in super::super) fn minus(a: &Value, b: &Value) -> Option<Value> {
    let a = a.downcast_object_ref::<Moment>()?;
    if let Some(b) = b.downcast_object_ref::<Moment>() {
        let micros = a.seconds().as_microsecond() - b.seconds().as_microsecond();
        return Some(Value::from_object(Span(micros)));
    }
    let Span(micros) = *b.downcast_object_ref::<Span>()?;
    let at = a.at.checked_sub(jiff::SignedDuration::from_micros(micros)).ok()?;
    Some(Value::from_object(Moment { at, offset: a.offset }))
}
