//! One endpoint: how it is request, who may ask, and what answers.
//!
//! The types of its function are the schemas of its request and its answer, so that what is
//! described is what happens.

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

/// Makes a type's schema.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The answer in the making.
type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Refusal>> + Send>>;

/// What a request's body is.
#[derive(Clone, Copy)]
pub(super) enum Taken {
    Nothing,
    Json(SchemaOf),
    Octets,
}

/// One method of one path.
pub(super) struct Endpoint {
    pub(super) method: Method,
    /// Segments in braces stand for any text and are handed on under their name.
    pub(super) path: &'static str,
    /// What a token must allow.
    pub(super) role: Role,
    pub(super) summary: &'static str,
    pub(super) query: &'static [Parameter],
    /// Headers that mean something here alone.
    pub(super) headers: &'static [Parameter],
    pub(super) taken: Taken,
    pub(super) given: SchemaOf,
    pub(super) answer: Box<dyn Fn(Arc<Admin>, AdminRequest<Lent>) -> Answering + Send + Sync>,
}

impl Endpoint {
    /// One that takes no body.
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

    /// One that takes JSON. No body is read as `{}`.
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

    /// One that takes bytes as they come.
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

    /// One that takes no body, and whose answer stands in headers too.
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
            // Whoever adds an endpoint has to say that readers may use it.
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

    /// Names of the path's segments in braces.
    pub(super) fn places(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(place)
    }
}

/// The name in a segment in braces.
pub(super) fn place(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// What a client that looks at no body finds in the headers.
pub(super) trait InHeaders {
    fn write(&self, headers: &mut HeaderMap);
}

fn in_both(told: &(impl Serialize + InHeaders)) -> Response<Body> {
    let mut response = answer::json(told);
    told.write(response.headers_mut());
    response
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}
