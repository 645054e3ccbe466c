//! What fuzz targets call of this module's private parts. Nothing else does.

use super::query::Query;
use super::table::ENDPOINTS;

/// How many endpoints there are.
pub fn endpoints() -> usize {
    ENDPOINTS.len()
}

/// Reads a query as an endpoint of the admin API does; answers its values by name, or the message
/// of the refusal.
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
