//! The schemas of the tools, in the subset that clients take.
//!
//! Strict validators and converters refuse what JSON Schema allows: `$schema`, formats of
//! numbers, and, in what a tool takes, `null` beside another type (Ajv in strict mode, Genkit,
//! the Gemini API). So a schema here says types, bounds and descriptions, and no more.

use rmcp::model::JsonObject;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

/// The schema of what a tool takes. A caller leaves out what it has no value for: nothing is
/// null there.
pub(super) fn of_input<T: JsonSchema>() -> JsonObject {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .with_transform(RecursiveTransform(bounds_for_formats))
        .with_transform(RecursiveTransform(without_null));
    root::<T>(settings)
}

/// The schema of what a tool answers. The host adds its own fields to what the policy says.
pub(super) fn of_output<T: JsonSchema>(added: &[(&str, Value)]) -> JsonObject {
    let settings = SchemaSettings::draft2020_12()
        .for_serialize()
        .with_transform(RecursiveTransform(bounds_for_formats));
    let mut schema = root::<T>(settings);
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for (name, property) in added {
            properties.insert((*name).to_owned(), property.clone());
        }
    }
    schema
}

fn root<T: JsonSchema>(settings: SchemaSettings) -> JsonObject {
    let settings = settings.with(|settings| settings.meta_schema = None);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    // The name and the description of a type here say nothing to a caller.
    schema.remove("title");
    schema.remove("description");
    match schema.to_value() {
        Value::Object(object) => object,
        // `true`, which no derived schema of fields is.
        _ => JsonObject::new(),
    }
}

/// Says by bounds what a format says of a number.
fn bounds_for_formats(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    let largest = match object.get("format").and_then(Value::as_str) {
        Some("uint32") => Some(json!(u32::MAX)),
        Some("uint" | "uint64") => None,
        _ => return,
    };
    object.remove("format");
    if let Some(largest) = largest {
        object.entry("maximum").or_insert(largest);
    }
}

/// Takes `null` out of the types, and a default that is null.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_mut_slice() {
            let only = only.take();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    let others = match object.get_mut("anyOf") {
        Some(Value::Array(options)) => {
            options.retain(|option| option["type"] != "null");
            std::mem::take(options)
        }
        _ => return,
    };
    match <[Value; 1]>::try_from(others) {
        Ok([Value::Object(only)]) => {
            object.remove("anyOf");
            for (name, value) in only {
                object.entry(name).or_insert(value);
            }
        }
        Ok(only) => {
            object.insert("anyOf".to_owned(), only.to_vec().into());
        }
        Err(several) => {
            object.insert("anyOf".to_owned(), several.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tools::PoolTool;
    use super::*;
    use poolwarden::Grants;

    /// Every schema within a schema, and itself.
    fn all(schema: &Value, found: &mut Vec<Value>) {
        match schema {
            Value::Object(object) => {
                found.push(schema.clone());
                object.values().for_each(|value| all(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| all(value, found)),
            _ => {}
        }
    }

    #[test]
    fn schemas_have_neither_a_schema_id_nor_formats_nor_null_arguments() {
        for tool in PoolTool::ALL {
            let tool = tool.definition("", Some(&Grants::shipped()));
            let input = Value::Object(tool.input_schema.as_ref().clone());
            let output = tool.output_schema.as_deref().cloned();
            let output = Value::Object(output.expect("a schema"));
            for (schema, is_input) in [(input, true), (output, false)] {
                let mut parts = Vec::new();
                all(&schema, &mut parts);
                for part in parts {
                    assert!(part.get("$schema").is_none(), "{part}");
                    assert!(part.get("format").is_none(), "{part}");
                    if is_input {
                        let text = part.to_string();
                        assert!(!text.contains("null"), "{text}");
                        assert!(part.get("anyOf").is_none(), "{text}");
                    }
                }
            }
        }
    }
}
