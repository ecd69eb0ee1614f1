//! The schemas of tables, made from their descriptions: which there are, and what a row of each is.

use serde_json::{Map, Value, json};

use crate::tables::{Column, Kind, TABLES, Table};

/// `TableName`, `TableRow`, and a schema by the name of each table.
pub(super) fn schemas() -> Map<String, Value> {
    let names: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
    let each = names.iter().map(|name| json!({ "$ref": format!("#/components/schemas/{name}") }));
    let row = json!({
        "description": "A row of one of the tables, with the columns that were asked for.",
        "anyOf": each.collect::<Vec<_>>(),
    });
    let name = json!({ "type": "string", "enum": names });
    let rows = TABLES.iter().map(|table| (table.name.to_owned(), schema(table)));
    let both = [("TableName".to_owned(), name), ("TableRow".to_owned(), row)];
    both.into_iter().chain(rows).collect()
}

/// A row; no column is required, because a query chooses.
fn schema(table: &Table) -> Value {
    let columns = table.columns.iter().map(|column| (column.name.to_owned(), value(column)));
    let needs = table.act.needs().as_str();
    json!({
        "description": format!("A row of `{}`. Needs the role `{needs}`.", table.name),
        "type": "object",
        "minProperties": 1,
        "additionalProperties": false,
        "properties": columns.collect::<Map<_, _>>(),
    })
}

/// The values of a column.
fn value(column: &Column) -> Value {
    let mut schema = match column.kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Word(words) => json!({ "type": "string", "enum": words }),
        Kind::Integer => json!({ "type": "integer", "format": "int64" }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Time => json!({
            "description": "Milliseconds since the epoch.", "type": "integer", "format": "int64",
        }),
        Kind::Operation => json!({ "type": "string", "pattern": "^OP-[0-9]+$" }),
        Kind::List(_) => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Json => return json!({ "description": "Any JSON, or null." }),
    };
    if column.nullable {
        schema["type"] = json!([schema["type"], "null"]);
        if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
            words.push(Value::Null);
        }
    }
    schema
}
