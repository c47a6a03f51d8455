//! Values as Python, JSON and YAML text, as Ansible's filters write them.

mod emit;
mod json;
mod python;

pub use emit::yaml_text;
pub(super) use emit::{YamlStyle, yaml_styled};
pub use json::json_text;
pub(super) use json::{JsonStyle, json_styled};
pub use python::py_str;
pub(super) use python::{number_text, repr_of};
