//! Access to private parts of this module for fuzz targets only.

use super::query::Query;
use super::table::ENDPOINTS;

/// Number of endpoints.
pub fn endpoints() -> usize {
    ENDPOINTS.len()
}

/// Parses a query with an endpoint's parameters; returns its values by name, or the error message.
pub fn read_query(endpoint: usize, query: &str) -> Result<Vec<(&'static str, String)>, String> {
    let known = ENDPOINTS
        .get(endpoint)
        .map(|endpoint| endpoint.query)
        .unwrap_or_default();
    let read = Query::read(query, known).map_err(|refusal| refusal.message)?;
    Ok(known
        .iter()
        .filter_map(|parameter| Some((parameter.name, read.text(parameter.name)?.to_owned())))
        .collect())
}
