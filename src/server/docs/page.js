"use strict";
// Shows openapi.json as a page. Every text goes in as text, never as markup.

const el = (name, attributes = {}, ...children) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
};

// Text with `code` in it.
const prose = (text) => text.split("`").map((part, at) => (at % 2 ? el("code", {}, part) : part));

const resolve = (doc, schema) => {
  let seen = 0;
  while (schema && schema.$ref && seen++ < 10) {
    schema = schema.$ref.slice(2).split("/").reduce((at, key) => at?.[key], doc);
  }
  return schema ?? {};
};

const typeOf = (doc, schema) => {
  const whole = resolve(doc, schema);
  if (whole.type === "array") return `list of ${typeOf(doc, whole.items)}`;
  if (schema?.$ref) return schema.$ref.split("/").pop();
  if (whole.oneOf || whole.anyOf) return (whole.oneOf ?? whole.anyOf).map((one) => typeOf(doc, one)).join(" or ");
  if (Array.isArray(whole.type)) return whole.type.join(" or ");
  return whole.type ?? "anything";
};

const sample = (doc, schema, depth = 0) => {
  const whole = resolve(doc, schema);
  if (whole.example !== undefined) return whole.example;
  if (depth > 4) return "…";
  if (whole.oneOf || whole.anyOf) {
    const real = (whole.oneOf ?? whole.anyOf).find((one) => resolve(doc, one).type !== "null");
    return sample(doc, real, depth + 1);
  }
  const type = Array.isArray(whole.type) ? whole.type.find((one) => one !== "null") : whole.type;
  if (type === "array") return [sample(doc, whole.items, depth + 1)];
  if (type === "object" || whole.properties) {
    const entries = Object.entries(whole.properties ?? {});
    return Object.fromEntries(entries.map(([key, value]) => [key, sample(doc, value, depth + 1)]));
  }
  return { integer: 1, number: 1, boolean: true, string: "text" }[type] ?? null;
};

const rows = (pairs) => el("table", {}, el("tbody", {}, ...pairs.map(([name, ...rest]) =>
  el("tr", {}, el("td", {}, el("code", {}, name)), ...rest.map((text) => el("td", {}, ...prose(text ?? "")))))));

const fields = (doc, schema) => {
  const whole = resolve(doc, schema);
  const required = whole.required ?? [];
  return Object.entries(whole.properties ?? {}).map(([name, value]) =>
    [name, typeOf(doc, value) + (required.includes(name) ? ", required" : ""), value.description ?? resolve(doc, value).description ?? ""]);
};

const curl = (doc, path, verb, operation) => {
  const parts = [`curl -X ${verb.toUpperCase()} ${location.origin}${path}`];
  if (operation.security === undefined || operation.security.some((one) => Object.keys(one).length)) {
    parts.push(`-H "Authorization: Bearer $TOKEN"`);
  }
  const [type, body] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  if (type === "application/json") {
    parts.push(`-H 'Content-Type: application/json' -d '${JSON.stringify(sample(doc, body.schema)).replaceAll("'", "'\\''")}'`);
  } else if (type) {
    parts.push(`-H 'Content-Type: ${type}' --data-binary @FILE`);
  }
  return parts.join(" \\\n  ");
};

const show = (doc, path, verb, operation) => {
  const body = el("div", { class: "body" });
  if (operation.description) body.append(el("p", {}, ...prose(operation.description)));
  const parameters = operation.parameters ?? [];
  if (parameters.length) {
    body.append(el("h3", {}, "Parameters"), rows(parameters.map((one) =>
      [one.name, `${one.in}, ${typeOf(doc, one.schema)}${one.required ? ", required" : ""}`, one.description ?? ""])));
  }
  for (const [type, content] of Object.entries(operation.requestBody?.content ?? {})) {
    body.append(el("h3", {}, `Body: ${type}`), rows(fields(doc, content.schema)));
  }
  body.append(el("h3", {}, "Try it"), el("pre", { tabindex: "0" }, curl(doc, path, verb, operation)));
  for (const [status, answer] of Object.entries(operation.responses ?? {})) {
    const [type, content] = Object.entries(answer.content ?? {})[0] ?? [];
    body.append(el("h3", {}, `${status} ${answer.description || ""} ${type ?? ""}`));
    if (content?.schema && status < "400") {
      body.append(el("pre", { tabindex: "0" }, JSON.stringify(sample(doc, content.schema), null, 2)));
    }
  }
  return el("details", { "data-find": `${verb} ${path} ${operation.summary ?? ""} ${operation.operationId ?? ""}`.toLowerCase() },
    el("summary", {}, el("span", { class: `verb ${verb}` }, verb.toUpperCase()), el("code", {}, path), el("span", {}, ...prose(operation.summary ?? ""))), body);
};

const render = (doc) => {
  document.getElementById("about").replaceChildren(...prose(doc.info.description ?? ""));
  document.getElementById("version").textContent = `version ${doc.info.version}`;
  const groups = new Map((doc.tags ?? []).map((tag) => [tag.name, { about: tag.description ?? "", items: [] }]));
  for (const [path, item] of Object.entries(doc.paths)) {
    for (const verb of ["get", "post", "put", "patch", "delete"]) {
      const operation = item[verb];
      if (!operation) continue;
      const tag = operation.tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, { about: "", items: [] });
      groups.get(tag).items.push(show(doc, path, verb, operation));
    }
  }
  const main = document.getElementById("operations");
  const nav = document.getElementById("tags");
  main.replaceChildren();
  for (const [name, group] of groups) {
    if (!group.items.length) continue;
    const id = `tag-${name.replaceAll(/\W/g, "-")}`;
    nav.append(el("a", { href: `#${id}` }, name));
    main.append(el("section", {}, el("h2", { id }, name, el("small", {}, group.about)), ...group.items));
  }
  const nothing = el("p", { hidden: "" }, "No route matches; try a word of its path.");
  main.append(nothing);
  document.getElementById("filter").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const section of main.querySelectorAll("section")) {
      let here = 0;
      for (const item of section.querySelectorAll("details")) {
        item.hidden = !words.every((word) => item.dataset.find.includes(word));
        here += item.hidden ? 0 : 1;
      }
      section.hidden = here === 0;
      shown += here;
    }
    nothing.hidden = shown > 0;
  });
};

fetch("openapi.json")
  .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`the server answered ${answer.status}`))))
  .then(render)
  .catch((error) => {
    document.getElementById("operations").replaceChildren(
      el("p", { class: "error", role: "alert" }, `The document cannot be shown: ${error.message}. Load the page again in a moment.`));
  });
