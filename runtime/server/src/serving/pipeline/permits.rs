//! How many requests of a pipeline may run at once.

use super::Body;

/// The largest number of permits of a pipeline with a batched stage.
const BATCH_PERMITS_MAX: usize = 4096;

/// The number of permits: how many requests may run at once.
pub(super) fn permits(body: &Body) -> usize {
    match body {
        // Requests that wait for a batch hold a permit, so there are enough permits to fill a
        // batch. Each stage then has its own bound.
        Body::Chain(chain) => {
            match chain
                .steps
                .iter()
                .filter_map(|step| step.batcher.as_ref())
                .map(|it| it.room())
                .max()
            {
                Some(requests) => requests.min(BATCH_PERMITS_MAX),
                None => chain
                    .steps
                    .iter()
                    .map(|step| step.stage.limits().instances.max as usize)
                    .min()
                    .unwrap_or(1),
            }
        }
        // The members bound what runs; this bounds how many requests the graph holds.
        Body::Graph(graph) => {
            let members = graph.nodes.iter().flat_map(|node| &node.members);
            members
                .map(|member| permits(&member.body))
                .fold(0, usize::saturating_add)
                .max(1)
        }
    }
}
