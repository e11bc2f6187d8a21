//! What the API promises of itself.

use super::*;

#[test]
fn every_kind_has_its_crd() {
    let names: Vec<_> = crds().into_iter().filter_map(|c| c.metadata.name).collect();
    assert_eq!(
        names,
        [
            "presignedurls.presigned.dev",
            "presignedurlpolicies.presigned.dev",
            "clusterobjectstores.presigned.dev"
        ]
    );
}
