//! Sorts graphs so that each comes after those that it references.

/// The indices of the graphs, each after those that it references. The error is a cycle, in which
/// each references the next and the last the first. `names` holds for each graph the indices of the
/// graphs that it references.
pub fn order(names: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut missing: Vec<usize> = names.iter().map(Vec::len).collect();
    let mut named_by = vec![Vec::new(); names.len()];
    for (graph, named) in names.iter().enumerate() {
        named.iter().for_each(|&named| named_by[named].push(graph));
    }
    let mut order: Vec<usize> = (0..names.len())
        .filter(|&graph| missing[graph] == 0)
        .collect();
    let mut next = 0;
    while let Some(&graph) = order.get(next) {
        next += 1;
        for &other in &named_by[graph] {
            missing[other] -= 1;
            if missing[other] == 0 {
                order.push(other);
            }
        }
    }
    match missing.iter().position(|missing| *missing > 0) {
        None => Ok(order),
        Some(start) => Err(circle(names, &missing, start)),
    }
}

/// Every graph that could not be sorted references another such graph, so following references ends
/// in a cycle.
fn circle(names: &[Vec<usize>], missing: &[usize], start: usize) -> Vec<usize> {
    let mut walked = vec![start];
    loop {
        let last = walked[walked.len() - 1];
        let Some(&next) = names[last].iter().find(|named| missing[**named] > 0) else {
            return walked;
        };
        if let Some(began) = walked.iter().position(|graph| *graph == next) {
            return walked.split_off(began);
        }
        walked.push(next);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Each graph comes after those that it references, or those in the cycle reference each
        /// other.
        #[test]
        fn graphs_stand_behind_what_they_name(
            names in prop::collection::vec(prop::collection::vec(0_usize..8, 0..3), 8),
        ) {
            match order(&names) {
                Ok(order) => {
                    let place = |graph: usize| order.iter().position(|at| *at == graph).unwrap();
                    prop_assert_eq!(order.len(), names.len());
                    for (graph, named) in names.iter().enumerate() {
                        prop_assert!(named.iter().all(|named| place(*named) < place(graph)));
                    }
                }
                Err(circle) => {
                    for (index, graph) in circle.iter().enumerate() {
                        let next = circle[(index + 1) % circle.len()];
                        prop_assert!(names[*graph].contains(&next), "{:?} of {:?}", circle, names);
                    }
                }
            }
        }
    }
}
