//! What a service answers to, as an OpenAPI document: its handlers say what is theirs, and here comes what the chassis
//! puts around each of them. Served at `GET /openapi.json`, printed by the command `openapi`.

use std::marker::PhantomData;

use axum::{Router, body::Bytes, http::header, routing::get};
use serde_json::{Value, json};
use utoipa::{
    IntoParams,
    openapi::{ObjectBuilder, OpenApi, Required, Type, path},
};

use super::{IdempotencyKey, MAX_BODY};

/// The document of `service`, whose handlers are described by `api`.
pub fn document(service: &str, description: &str, api: OpenApi) -> Value {
    // Plain data with string keys always serialises.
    let mut document = serde_json::to_value(api).unwrap_or_default();
    document["info"] = json!({
        "title": service,
        "description": description,
        "version": env!("CARGO_PKG_VERSION"),
        "license": { "name": "Apache 2.0", "identifier": "Apache-2.0" },
    });
    document["components"]["schemas"]["Problem"] = problem();
    for operation in operations(&mut document) {
        complete(operation);
    }
    if operations(&mut document).any(|operation| operation.get("security").is_some()) {
        document["components"]["securitySchemes"]["token"] = json!({
            "type": "http", "scheme": "bearer", "description": "The token that the platform's services share",
        });
    }
    document
}

/// The route that serves `document`.
pub(crate) fn route(document: &Value) -> Router {
    let text = Bytes::from(document.to_string());
    Router::new().route("/openapi.json", get(async move || ([(header::CONTENT_TYPE, "application/json")], text)))
}

/// Every operation of a document.
pub fn operations(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = document["paths"].as_object_mut().into_iter();
    paths.flat_map(|paths| paths.values_mut()).filter_map(Value::as_object_mut).flat_map(|path| path.values_mut())
}

/// Adds to an operation the answers that every handler of its kind can give, and to each answer what is the same for all.
fn complete(operation: &mut Value) {
    let has_body = operation.get("requestBody").is_some();
    add(operation, "500", "The service failed. The error is in its log.");
    add(operation, "503", "Nothing is confirmed. Repeating is safe.");
    operation["responses"]["503"]["headers"]["Retry-After"] =
        json!({ "description": "In seconds", "schema": { "type": "integer", "minimum": 0 } });
    if has_body || operation.get("parameters").is_some() {
        add(operation, "400", "A parameter, or the body as such, is not readable.");
    }
    if has_body {
        add(operation, "408", "The body comes too slowly.");
        add(operation, "413", &format!("The body has more than {MAX_BODY} bytes."));
        add(operation, "415", "The body is not application/json.");
        add(operation, "422", "A field's value is not acceptable.");
    }
    finish(operation);
}

/// Adds an answer that the operation does not speak of itself.
pub fn add(operation: &mut Value, status: &str, description: &str) {
    let response = &mut operation["responses"][status];
    if response.is_null() {
        *response = json!({ "description": description });
    }
}

/// Makes every error a problem, and gives every answer the request's id.
pub fn finish(operation: &mut Value) {
    let responses = operation["responses"].as_object_mut().into_iter().flatten();
    for (status, response) in responses {
        // Three digits sort as text.
        if status.as_str() >= "400" && response.get("content").is_none() {
            response["content"] =
                json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
        }
        response["headers"]["X-Request-Id"] = json!({
            "description": "The request's own `X-Request-Id`, or a new one",
            "required": true,
            "schema": { "type": "string", "minLength": 1, "maxLength": 128 },
        });
    }
}

/// The schema of [`Problem`](super::Problem).
fn problem() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "description": "An error (RFC 9457). It may have more members, such as `orderId`.",
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string", "const": "about:blank" },
            "title": text,
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string", "description": "A sentence for the person who reads it" },
            "errors": {
                "description": "The fields of the body, the parameters or the headers that are at fault",
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["field", "detail"],
                    "properties": { "field": text, "detail": text },
                },
            },
        },
    })
}

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<path::ParameterIn>) -> Vec<path::Parameter> {
        let schema = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255));
        let header = path::ParameterBuilder::new()
            .name(Self::NAME)
            .parameter_in(path::ParameterIn::Header)
            .required(Required::True)
            .description(Some("Repeating a request with its key has the effect of one, and gets the first answer."))
            .schema(Some(schema.pattern(Some("^[!-~]{1,255}$"))));
        vec![header.build()]
    }
}

/// The parameters of `T`, where they may be left out.
#[derive(Debug)]
pub struct Optional<T>(PhantomData<T>);

impl<T: IntoParams> IntoParams for Optional<T> {
    fn into_params(place: impl Fn() -> Option<path::ParameterIn>) -> Vec<path::Parameter> {
        let mut parameters = T::into_params(place);
        parameters.iter_mut().for_each(|parameter| parameter.required = Required::False);
        parameters
    }
}

#[cfg(test)]
mod tests {
    use utoipa::ToSchema;
    use utoipa_axum::{router::OpenApiRouter, routes};

    use super::*;
    use crate::http::{Json, Limit, Page};

    #[derive(serde::Serialize, serde::Deserialize, ToSchema)]
    struct Thing {}

    #[utoipa::path(put, path = "/things", request_body = Thing, responses((status = 200, body = Thing)))]
    async fn put(Json(thing): Json<Thing>) -> Json<Thing> {
        Json(thing)
    }

    #[utoipa::path(get, path = "/things", params(Optional<IdempotencyKey>),
        responses((status = 200, body = Page<Thing>), (status = 404, description = "None")))]
    async fn list() -> Json<Page<Thing>> {
        Json(Page::new(vec![], Limit::default(), |_| String::new()))
    }

    fn things() -> Value {
        document("things", "Things.", OpenApiRouter::<()>::default().routes(routes!(put, list)).into_openapi())
    }

    #[test]
    fn an_operation_can_answer_what_its_extractors_do() {
        let document = things();
        let statuses = |method: &str| -> Vec<String> {
            let responses = document["paths"]["/things"][method]["responses"].as_object().unwrap();
            responses.keys().cloned().collect()
        };
        assert_eq!(statuses("put"), ["200", "400", "408", "413", "415", "422", "500", "503"]);
        assert_eq!(statuses("get"), ["200", "400", "404", "500", "503"]);
        assert_eq!(document["openapi"], "3.1.0");
    }

    #[test]
    fn every_error_is_a_problem_and_every_answer_has_the_requests_id() {
        let mut document = things();
        for operation in operations(&mut document) {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let kinds: Vec<_> = response["content"].as_object().unwrap().keys().collect();
                let expected = if status == "200" { "application/json" } else { "application/problem+json" };
                assert_eq!(kinds, [expected], "{status}");
                assert!(response["headers"]["X-Request-Id"].is_object(), "{status}");
            }
        }
        assert_eq!(document["paths"]["/things"]["get"]["parameters"][0]["required"], false);
    }
}
