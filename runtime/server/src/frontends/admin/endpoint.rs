//! One endpoint: its request type, its required role, and its handler.
//!
//! The types of the handler are the schemas of the request and of the answer, so the OpenAPI
//! document always matches the behaviour.

use std::pin::Pin;
use std::sync::Arc;

use http::{HeaderMap, Method, Response};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::lent::Lent;
use super::query::Parameter;
use super::refusal::Refusal;
use super::request::AdminRequest;
use super::tokens::Role;
use super::{Admin, answer, request};
use crate::transport::body::ResponseBody as Body;

/// Generates the schema of a type.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The future of an answer.
type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Refusal>> + Send>>;

/// Kind of a request body.
#[derive(Clone, Copy)]
pub(super) enum Taken {
    Nothing,
    Json(SchemaOf),
    Octets,
}

/// One method of one path.
pub(super) struct Endpoint {
    pub(super) method: Method,
    /// Segments in braces match any text, which is passed on under the name in the braces.
    pub(super) path: &'static str,
    /// The role that a token must have.
    pub(super) role: Role,
    pub(super) summary: &'static str,
    pub(super) query: &'static [Parameter],
    /// Headers that only this endpoint reads.
    pub(super) headers: &'static [Parameter],
    pub(super) taken: Taken,
    pub(super) given: SchemaOf,
    pub(super) answer: Box<dyn Fn(Arc<Admin>, AdminRequest<Lent>) -> Answering + Send + Sync>,
}

impl Endpoint {
    /// An endpoint without a request body.
    pub(super) fn asks<A, F>(
        (method, path): (Method, &'static str),
        function: impl Fn(Arc<Admin>, AdminRequest<()>) -> F + Copy + Send + Sync + 'static,
    ) -> Self
    where
        A: Serialize + JsonSchema,
        F: Future<Output = Result<A, Refusal>> + Send + 'static,
    {
        Self::new(
            method,
            path,
            Taken::Nothing,
            schema::<A>,
            move |admin, request| {
                Box::pin(async move {
                    let request = request::without_body(request, &admin).await?;
                    Ok(answer::json(&function(admin, request).await?))
                })
            },
        )
    }

    /// An endpoint with a JSON body. An empty body is read as `{}`.
    pub(super) fn takes<Q, A, F>(
        (method, path): (Method, &'static str),
        function: impl Fn(Arc<Admin>, AdminRequest<Q>) -> F + Copy + Send + Sync + 'static,
    ) -> Self
    where
        Q: DeserializeOwned + JsonSchema + Send + 'static,
        A: Serialize + JsonSchema,
        F: Future<Output = Result<A, Refusal>> + Send + 'static,
    {
        Self::new(
            method,
            path,
            Taken::Json(schema::<Q>),
            schema::<A>,
            move |admin, request| {
                Box::pin(async move {
                    let request = request::with_json(request, &admin).await?;
                    Ok(answer::json(&function(admin, request).await?))
                })
            },
        )
    }

    /// An endpoint that reads its body as a stream of bytes.
    pub(super) fn streams<A, F>(
        (method, path): (Method, &'static str),
        function: impl Fn(Arc<Admin>, AdminRequest<Lent>) -> F + Copy + Send + Sync + 'static,
    ) -> Self
    where
        A: Serialize + JsonSchema + InHeaders,
        F: Future<Output = Result<A, Refusal>> + Send + 'static,
    {
        Self::new(
            method,
            path,
            Taken::Octets,
            schema::<A>,
            move |admin, request| {
                Box::pin(async move { Ok(in_both(&function(admin, request).await?)) })
            },
        )
    }

    /// An endpoint without a request body, whose answer is also in the headers.
    pub(super) fn asks_headers<A, F>(
        (method, path): (Method, &'static str),
        function: impl Fn(Arc<Admin>, AdminRequest<()>) -> F + Copy + Send + Sync + 'static,
    ) -> Self
    where
        A: Serialize + JsonSchema + InHeaders,
        F: Future<Output = Result<A, Refusal>> + Send + 'static,
    {
        Self::new(
            method,
            path,
            Taken::Nothing,
            schema::<A>,
            move |admin, request| {
                Box::pin(async move {
                    let request = request::without_body(request, &admin).await?;
                    Ok(in_both(&function(admin, request).await?))
                })
            },
        )
    }

    fn new(
        method: Method,
        path: &'static str,
        taken: Taken,
        given: SchemaOf,
        answer: impl Fn(Arc<Admin>, AdminRequest<Lent>) -> Answering + Send + Sync + 'static,
    ) -> Self {
        Self {
            method,
            path,
            // Only operators, unless the table allows readers explicitly.
            role: Role::Operator,
            summary: "",
            query: &[],
            headers: &[],
            taken,
            given,
            answer: Box::new(answer),
        }
    }

    pub(super) fn says(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    pub(super) fn for_readers(mut self) -> Self {
        self.role = Role::Reader;
        self
    }

    pub(super) fn query(mut self, query: &'static [Parameter]) -> Self {
        self.query = query;
        self
    }

    pub(super) fn headers(mut self, headers: &'static [Parameter]) -> Self {
        self.headers = headers;
        self
    }

    /// Names of the path segments in braces.
    pub(super) fn places(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(place)
    }
}

/// The name in a segment in braces.
pub(super) fn place(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// The part of an answer that is repeated in headers, for clients that don't read the body.
pub(super) trait InHeaders {
    fn write(&self, headers: &mut HeaderMap);
}

fn in_both(value: &(impl Serialize + InHeaders)) -> Response<Body> {
    let mut response = answer::json(value);
    value.write(response.headers_mut());
    response
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}
