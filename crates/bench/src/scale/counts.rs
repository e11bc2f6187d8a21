//! Writes and sizes, as the API server's own metrics tell them.

use std::collections::BTreeMap;
use std::fmt;

/// The verbs that write.
const WRITES: [&str; 6] = [
    "POST",
    "PUT",
    "PATCH",
    "APPLY",
    "DELETE",
    "DELETECOLLECTION",
];
/// Resources that the control plane writes for itself (leases, reviews), whatever the operator does.
const NOT_OURS: [&str; 5] = [
    "leases",
    "tokenreviews",
    "subjectaccessreviews",
    "configmaps",
    "serviceaccounts",
];

/// How often each kind of write was made: verb and resource, with its subresource.
#[derive(Clone, Debug, Default)]
pub struct Writes(BTreeMap<(String, String), u64>);

impl Writes {
    /// Reads `apiserver_request_total`.
    pub fn read(metrics: &str) -> Self {
        let mut writes = BTreeMap::new();
        let lines = metrics
            .lines()
            .filter_map(|line| line.strip_prefix("apiserver_request_total{"));
        for line in lines {
            let Some((labels, count)) = line.rsplit_once("} ") else {
                continue;
            };
            let label = |name: &str| {
                let (_, rest) = labels.split_once(&format!("{name}=\""))?;
                rest.split_once('"').map(|(value, _)| value)
            };
            let verb = label("verb").unwrap_or_default();
            let resource = label(",resource").unwrap_or_default();
            if !WRITES.contains(&verb) || NOT_OURS.contains(&resource) {
                continue;
            }
            let what = match label("subresource").unwrap_or_default() {
                "" => resource.to_owned(),
                sub => format!("{resource}/{sub}"),
            };
            // Large counts are written as 1.2e+06.
            let count: f64 = count.parse().unwrap_or_default();
            *writes.entry((verb.to_owned(), what)).or_default() += count as u64;
        }
        Self(writes)
    }

    /// The writes since `before`.
    pub fn since(mut self, before: &Self) -> Self {
        for (key, count) in &mut self.0 {
            *count -= before.0.get(key).copied().unwrap_or_default().min(*count);
        }
        self.0.retain(|_, count| *count > 0);
        self
    }

    /// The sum of all writes.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The writes of a resource, and those of all others.
    pub fn apart(&self, resource: &str) -> (u64, u64) {
        let of = |(_, what): &(String, String)| what.split('/').next() == Some(resource);
        let its = self
            .0
            .iter()
            .filter(|(key, _)| of(key))
            .map(|(_, n)| n)
            .sum();
        (its, self.total() - its)
    }
}

/// The first value of a metric, whatever its labels.
pub fn gauge(metrics: &str, name: &str) -> Option<f64> {
    let mut its = metrics.lines().filter_map(|line| line.strip_prefix(name));
    let line = its.find(|rest| rest.starts_with(['{', ' ']))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

impl fmt::Display for Writes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = self.0.iter();
        let each: Vec<_> = each
            .map(|((verb, what), count)| format!("{count} {verb} {what}"))
            .collect();
        f.write_str(&each.join(", "))
    }
}

#[cfg(test)]
mod tests {
    //! The text format.

    use super::*;

    const METRICS: &str = r#"
# TYPE apiserver_request_total counter
apiserver_request_total{code="201",component="apiserver",dry_run="",group="",resource="secrets",scope="resource",subresource="",verb="POST",version="v1"} 30
apiserver_request_total{code="409",component="apiserver",dry_run="",group="",resource="secrets",scope="resource",subresource="",verb="POST",version="v1"} 2
apiserver_request_total{code="200",component="apiserver",dry_run="",group="presigned.dev",resource="presignedurls",scope="resource",subresource="status",verb="PATCH",version="v1alpha1"} 1.2e+02
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="secrets",scope="cluster",subresource="",verb="LIST",version="v1"} 7
apiserver_request_total{code="200",component="apiserver",dry_run="",group="coordination.k8s.io",resource="leases",scope="resource",subresource="",verb="PUT",version="v1"} 9
"#;

    #[test]
    fn writes_are_told_from_reads_and_from_the_control_planes_own() {
        let writes = Writes::read(METRICS);
        assert_eq!(
            writes.to_string(),
            "120 PATCH presignedurls/status, 32 POST secrets"
        );
        assert_eq!(writes.apart("presignedurls"), (120, 32));
        assert_eq!(writes.clone().since(&writes).total(), 0);
    }

    #[test]
    fn a_gauge_is_found_by_its_whole_name() {
        let metrics = "# TYPE size gauge\nsize_of_another 1\nsize{cluster=\"etcd-0\"} 2.5e+06\n";
        assert_eq!(gauge(metrics, "size"), Some(2.5e6));
        assert_eq!(gauge(metrics, "cluster"), None);
    }
}
