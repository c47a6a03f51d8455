//! Numbers, sizes for people, truth values.

use minijinja::{
    Error,
    value::{Value, ValueKind},
};

use super::super::{
    call::{Call, Entry, entry, float_of},
    dump::py_str,
};
use crate::playbook::{modules::convert::bool_of, value::from_jinja};

pub(in super::super) static TABLE: &[Entry] = &[
    entry(&["abs"], "", |c| match c.value.as_i64().filter(|_| c.value.is_integer()) {
        Some(number) => Ok(i128::from(number).abs().into()),
        None => Ok(c.number()?.abs().into()),
    }),
    entry(&["bool"], "", |c| {
        let plain = from_jinja(&c.value).unwrap_or_default();
        Ok(bool_of(&plain).unwrap_or(false).into())
    }),
    entry(&["filesizeformat"], "binary", filesizeformat),
    entry(&["float"], "default", |c| match float_of(&c.value) {
        Some(number) => Ok(number.into()),
        None => Ok(c.arg(0).cloned().unwrap_or_else(|| Value::from(0.0))),
    }),
    entry(&["human_readable"], "isbits unit", human_readable),
    entry(&["human_to_bytes"], "default_unit isbits", human_to_bytes),
    entry(&["int"], "default base", int),
    entry(&["log"], "base", |c| {
        let (number, base) = (c.number()?, c.float(0)?);
        if number <= 0.0 || base.is_some_and(|base| base <= 0.0 || (base - 1.0).abs() < f64::EPSILON) {
            return Err(c.fault(format_args!("`{}` has no such logarithm", c.text())));
        }
        Ok(match base {
            None => number.ln(),
            Some(base) if base.to_bits() == 10.0_f64.to_bits() => number.log10(),
            Some(base) => number.ln() / base.ln(),
        }
        .into())
    }),
    entry(&["pow"], "y", |c| {
        let power = float_of(c.need(0, "y")?).filter(|_| c.arg(0).is_some_and(|y| y.as_str().is_none()));
        let power = power.ok_or_else(|| c.fault("a power is a number"))?;
        finite(c, c.number()?.powf(power))
    }),
    entry(&["root"], "base", |c| {
        let (number, base) = (c.number()?, c.float(0)?.unwrap_or(2.0));
        if base.to_bits() == 2.0_f64.to_bits() { finite(c, number.sqrt()) } else { finite(c, number.powf(1.0 / base)) }
    }),
    entry(&["round"], "precision method", round),
    entry(&["sum"], "attribute start", sum),
];

fn finite(c: &Call, number: f64) -> Result<Value, Error> {
    if number.is_finite() { Ok(number.into()) } else { Err(c.fault("this has no value among the numbers")) }
}

#[allow(clippy::cast_possible_truncation, reason = "Python's int() cuts as well; `as` saturates")]
fn cut(number: f64) -> i128 {
    number as i128
}

fn int(c: &mut Call) -> Result<Value, Error> {
    let base = c.int(1)?.unwrap_or(10);
    let found = match c.value.kind() {
        ValueKind::Bool => Some(i128::from(c.value.is_true())),
        ValueKind::Number if c.value.is_integer() => i128::try_from(c.value.clone()).ok(),
        ValueKind::Number => float_of(&c.value).filter(|number| number.is_finite()).map(cut),
        ValueKind::String => {
            let text = c.text();
            let text = text.trim();
            whole(text, base).or_else(|| text.parse::<f64>().ok().filter(|n| n.is_finite()).map(cut))
        }
        _ => None,
    };
    Ok(match found {
        Some(number) => i64::try_from(number).map_or_else(|_| number.into(), Value::from),
        None => c.arg(0).cloned().unwrap_or_else(|| Value::from(0)),
    })
}

/// Python's `int(text, base)`.
fn whole(text: &str, base: i64) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (digits, base) = match (base, lower.get(..2)) {
        (0 | 16, Some("0x")) => (&lower[2..], 16),
        (0 | 8, Some("0o")) => (&lower[2..], 8),
        (0 | 2, Some("0b")) => (&lower[2..], 2),
        (0, _) => (lower.as_str(), 10),
        (base, _) => (lower.as_str(), base),
    };
    let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base))?;
    if digits.starts_with(['_', '+', '-']) || digits.ends_with('_') || digits.contains("__") {
        return None;
    }
    let number = i128::from_str_radix(&digits.replace('_', ""), base).ok()?;
    Some(if negative { -number } else { number })
}

fn round(c: &mut Call) -> Result<Value, Error> {
    let precision = c.int(0)?.unwrap_or(0).clamp(-300, 300);
    let method = c.str_or(1, "common");
    let number = c.number()?;
    if method == "common" && precision == 0 && c.value.is_integer() {
        return Ok(c.value.clone());
    }
    let scale = 10_f64.powi(i32::try_from(precision).unwrap_or(0));
    Ok(match method.as_str() {
        "ceil" => (number * scale).ceil() / scale,
        "floor" => (number * scale).floor() / scale,
        // Half to even, of the number as it is and not as it is written, like Python.
        "common" if precision >= 0 => {
            let places = usize::try_from(precision).unwrap_or(0).min(30);
            format!("{number:.places$}").parse().unwrap_or(number)
        }
        "common" if c.value.is_integer() => {
            return Ok(whole_of((number * scale).round_ties_even() / scale));
        }
        "common" => (number * scale).round_ties_even() / scale,
        other => return Err(c.fault(format_args!("there is no method `{other}`; there are common, ceil and floor"))),
    }
    .into())
}

fn sum(c: &mut Call) -> Result<Value, Error> {
    let path = c.some(0).cloned();
    let mut whole = 0_i128;
    let mut float = None::<f64>;
    let start = c.arg(1).cloned();
    for item in start.into_iter().chain(c.items()?.into_iter().map(|item| match &path {
        Some(path) => super::general::attribute(&item, path),
        None => item,
    })) {
        let number = float_of(&item).filter(|_| item.as_str().is_none());
        let Some(number) = number else {
            if item.is_undefined() {
                return Err(super::super::call::undefined());
            }
            return Err(c.fault(format_args!("`{}` is no number", py_str(&item))));
        };
        match (i128::try_from(item.clone()).ok().filter(|_| item.is_integer() || item.kind() == ValueKind::Bool), float)
        {
            (Some(more), None) => {
                whole = whole.checked_add(more).ok_or_else(|| c.fault("the numbers are too large"))?;
            }
            #[allow(clippy::cast_precision_loss, reason = "as Python's float()")]
            (_, before) => float = Some(before.unwrap_or(whole as f64) + number),
        }
    }
    Ok(match float {
        Some(float) => float.into(),
        None => i64::try_from(whole).map_or_else(|_| whole.into(), Value::from),
    })
}

fn filesizeformat(c: &mut Call) -> Result<Value, Error> {
    let binary = c.flag(0, false);
    let bytes = float_of(&c.value).ok_or_else(|| c.fault("a size is a number"))?;
    let base = if binary { 1024.0 } else { 1000.0 };
    if (bytes - 1.0).abs() < f64::EPSILON {
        return Ok("1 Byte".into());
    }
    if bytes < base {
        return Ok(format!("{} Bytes", cut(bytes)).into());
    }
    let mut unit = base;
    for (at, letter) in "KMGTPEZY".chars().enumerate() {
        unit *= base;
        if bytes < unit || at == 7 {
            let name = match (binary, letter) {
                (true, letter) => format!("{letter}iB"),
                (false, 'K') => "kB".into(),
                (false, letter) => format!("{letter}B"),
            };
            return Ok(format!("{:.1} {name}", base * bytes / unit).into());
        }
    }
    Ok(Value::UNDEFINED)
}

/// Units of 1024, largest first.
const UNITS: [(char, &str, i32); 9] = [
    ('Y', "yotta", 80),
    ('Z', "zeta", 70),
    ('E', "exa", 60),
    ('P', "peta", 50),
    ('T', "tera", 40),
    ('G', "giga", 30),
    ('M', "mega", 20),
    ('K', "kilo", 10),
    ('B', "", 0),
];

fn human_readable(c: &mut Call) -> Result<Value, Error> {
    let (bits, unit) = (c.flag(0, false), c.str(1));
    let size = c.number().map_err(|_| c.fault("human_readable() failed on bad input"))?;
    let wanted = unit.and_then(|unit| unit.chars().next()).map(|letter| letter.to_ascii_uppercase());
    let (letter, _, power) = UNITS
        .into_iter()
        .find(|(letter, _, power)| wanted.map_or(size >= 2_f64.powi(*power), |wanted| wanted == *letter))
        .unwrap_or(UNITS[8]);
    let base = if bits { "bits" } else { "Bytes" };
    let suffix = if power == 0 { base.to_owned() } else { format!("{letter}{}", &base[..1]) };
    Ok(format!("{:.2} {suffix}", size / 2_f64.powi(power)).into())
}

fn human_to_bytes(c: &mut Call) -> Result<Value, Error> {
    let (default, bits) = (c.str(0), c.flag(1, false));
    let text = c.text();
    let wrong = || c.fault(format_args!("human_to_bytes() can't interpret `{text}`"));
    let trimmed = text.trim_end();
    let end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let number = &trimmed[..end];
    let unit = trimmed[end..].trim_start();
    let good = number.ends_with(|c: char| c.is_ascii_digit()) && number.matches('.').count() <= 1;
    if !good || !unit.chars().all(|c| c.is_ascii_alphabetic()) {
        return Err(wrong());
    }
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let unit = if unit.is_empty() { default.unwrap_or_default() } else { unit.to_owned() };
    let Some(first) = unit.chars().next() else { return Ok(whole_of(number.round_ties_even())) };
    let letter = first.to_ascii_uppercase();
    let (_, prefix, power) = UNITS.into_iter().find(|(known, ..)| *known == letter).ok_or_else(|| {
        c.fault(format_args!("human_to_bytes() knows no unit `{unit}`; there are Y, Z, E, P, T, G, M, K and B"))
    })?;
    if unit.len() > 1 {
        let (class, name) = if bits { ("b", "bit") } else { ("B", "byte") };
        let short = if power == 0 { class.to_owned() } else { format!("{letter}{class}") };
        if unit != short && unit.to_lowercase() != format!("{prefix}{name}") {
            return Err(
                c.fault(format_args!("human_to_bytes() failed to convert `{text}`: expect `{short}` or `{letter}`"))
            );
        }
    }
    Ok(whole_of((number * 2_f64.powi(power)).round_ties_even()))
}

fn whole_of(number: f64) -> Value {
    let number = cut(number);
    i64::try_from(number).map_or_else(|_| number.into(), Value::from)
}
