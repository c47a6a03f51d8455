//! What the OpenAPI document says of every route alike: the refusals that may come from around a route, the headers of
//! answers, and the rules of fields that a type cannot say. `./just test-api` holds the server to it.

use serde_json::{Map, Value, json};

/// Routes that nobody signs in for.
const OPEN: [&str; 4] = ["/api/login", "/api/refresh", "/api/register", "/api/password-reset"];

/// Fields and what they hold, by schema.
fn rules() -> Value {
    let control = "\\u0000-\\u001f\\u007f-\\u009f";
    let machine_name = json!({ "pattern": "^[a-z0-9][a-z0-9._-]{0,62}$" });
    let host = json!({ "pattern": "^[A-Za-z0-9._:%][A-Za-z0-9._:%-]{0,252}$" });
    let port = json!({ "minimum": 1, "maximum": 65_535 });
    let user = json!({ "pattern": "^[A-Za-z_][A-Za-z0-9._-]{0,31}$" });
    let machine_password = json!({ "minLength": 1, "maxLength": 1024, "pattern": format!("^[^{control}]*$") });
    let username = json!({ "pattern": "^[a-z][a-z0-9_-]{0,31}$" });
    let password = json!({ "minLength": 4, "maxLength": 1024, "pattern": "^[^\\u0000]*$" });
    let full_name = json!({ "maxLength": 200, "pattern": format!("^[^{control}]*$") });
    let in_address = format!("[^@\\s{control}<>\"',;:\\\\]+");
    let email = json!({ "maxLength": 254, "pattern": format!("^({in_address}@{in_address})?$") });
    let label =
        json!({ "minLength": 1, "maxLength": 100, "pattern": format!("^[^{control}]*[^\\s{control}][^{control}]*$") });
    let reason = json!({ "maxLength": 500, "pattern": format!("^[^{control}]*[^\\s{control}][^{control}]*$") });
    let duration = json!({
        "type": ["string", "integer"], "minimum": 1, "maximum": 999_999_999, "pattern": "^0{0,3}[1-9][0-9]{0,5}[mhd]?$"
    });
    let key_file = json!({ "minLength": 1, "maxLength": 1000 });
    let jump = json!({ "minLength": 1, "maxLength": 250 });
    json!({
        "CreateMachine": {
            "name": machine_name, "host": host, "port": port, "user": user, "password": machine_password,
            "pool": machine_name, "key_file": key_file, "jump": jump,
        },
        "UpdateMachine": {
            "host": host, "port": port, "user": user, "password": machine_password, "pool": machine_name,
            "key_file": key_file, "jump": jump,
        },
        "QuarantineMachine": { "reason": reason },
        "CreateUser": { "username": username, "password": password, "full_name": full_name, "email": email },
        "RegisterUser": { "username": username, "password": password, "full_name": full_name, "email": email },
        "UpdateUser": { "password": password, "full_name": full_name, "email": email },
        "UpdateMe": { "full_name": full_name, "email": email },
        "ChangePassword": { "new": password },
        "ResetPassword": { "password": password },
        "CreateToken": { "name": label, "expires_in_days": { "minimum": 1, "maximum": 3650 } },
        "CreateSshKey": { "public_key": { "minLength": 1 } },
        "CreateReservation": { "duration": duration, "starts_at": { "format": "date-time" } },
        "ExtendReservation": { "duration": duration },
    })
}

/// Puts all of it into the document.
pub(super) fn complete(document: &mut Value) {
    if let Value::Object(schemas) = rules() {
        for (schema, fields) in schemas {
            let properties = &mut document["components"]["schemas"][&schema]["properties"];
            for (field, rule) in fields.as_object().into_iter().flatten() {
                merge(&mut properties[field], rule);
            }
        }
    }
    let paths = document["paths"].as_object_mut().expect("a document has paths");
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            describe(path, method, operation);
        }
    }
}

fn merge(into: &mut Value, rule: &Value) {
    if !into.is_object() {
        *into = json!({});
    }
    let (Value::Object(into), Value::Object(rule)) = (into, rule) else { return };
    for (key, value) in rule {
        into.insert(key.clone(), value.clone());
    }
}

fn describe(path: &str, method: &str, operation: &mut Value) {
    if OPEN.contains(&path) {
        operation["security"] = json!([]);
    } else if path == "/api/logout" {
        operation["security"] = json!([{}, { "bearer": [] }]);
    }
    let needs_somebody = operation["security"].as_array().is_none_or(|all| all.iter().all(|one| one != &json!({})))
        && operation["security"] != json!([]);
    let has_body = operation["requestBody"].is_object();
    let mut has_query = false;
    let mut has_key = false;
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default().to_owned();
        has_query |= parameter["in"] == "query";
        has_key |= name == "Idempotency-Key";
        if path == "/api/machines/{name}/history" && name == "cursor" {
            merge(&mut parameter["schema"], &json!({ "pattern": "^-?[0-9]{1,18}:.*$" }));
        }
        bound(path, &name, &mut parameter["schema"]);
    }
    let mut more = vec![
        ("429", "too many requests from this address"),
        ("500", "an error of the server; quote the request id"),
        ("503", "not now; try again"),
    ];
    if needs_somebody {
        more.push(("401", "not signed in, or not any more"));
        more.push(("403", "signed in, and not allowed to"));
    }
    if has_body || has_key {
        more.push(("400", "what was sent cannot be read"));
    }
    if has_body {
        more.extend([("413", "the body is too large"), ("415", "the body is of another type")]);
    }
    if has_body || has_query || has_key {
        more.push(("422", "a value breaks a rule; `errors` says where"));
    }
    if has_key {
        more.push(("409", "the same key was used for something else, or it collides with what is there"));
    }
    if path.contains('{') {
        more.push(("404", "it is not there"));
    }
    let responses = operation["responses"].as_object_mut().expect("an operation has responses");
    for (status, description) in more {
        let found = responses.entry(status).or_insert_with(|| json!({}));
        if found["description"].as_str().unwrap_or_default().is_empty() {
            found["description"] = json!(description);
        }
    }
    responses.sort_keys();
    for (status, response) in responses.iter_mut() {
        if status.as_str() < "400" {
            // OpenAPI wants one, if only to say that all is well.
            if !response["description"].is_string() {
                response["description"] = json!("done");
            }
            continue;
        }
        response["content"] =
            json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/ProblemBody" } } });
        if path == "/api/readyz" && status == "503" {
            response["content"] =
                json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Readiness" } } });
        }
        let mut headers = Map::new();
        let mut header = |name: &str, schema: Value| headers.insert(name.to_owned(), json!({ "schema": schema }));
        match status.as_str() {
            "401" => drop(header("WWW-Authenticate", json!({ "type": "string" }))),
            "429" => drop(header("Retry-After", json!({ "type": "integer", "minimum": 1 }))),
            _ => {}
        }
        if !headers.is_empty() {
            response["headers"] = Value::Object(headers);
        }
    }
    let _ = method;
}

/// What a parameter holds.
fn bound(path: &str, name: &str, schema: &mut Value) {
    let rule = match name {
        "limit" => json!({ "minimum": 1, "maximum": if path.ends_with("/events") { 2000 } else { 500 } }),
        "anchor" => json!({ "pattern": "^[0-9]{1,18}:[0-9a-f]{64}$" }),
        "Idempotency-Key" => json!({ "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$" }),
        _ => return,
    };
    merge(schema, &rule);
}
