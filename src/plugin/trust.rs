//! Trust policies: who may take the role that signs.
//!
//! What holds here: the operator's service account is named whole. A `*` there would let other pods sign as
//! the operator.

use clap::{Args, ValueEnum};
use presigned_core::access::Dialect;
use serde_json::{Value, json};

use super::exit::Failure;

/// The audience of IRSA's tokens.
const AUDIENCE: &str = "sts.amazonaws.com";

/// How the operator gets the role.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// By the token of its service account (IRSA, and webIdentity).
    Irsa,
    /// By EKS Pod Identity.
    PodIdentity,
}

/// The flags of a trust policy.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Trust policy")]
pub struct TrustArgs {
    /// Print the role's trust policy in place of its rights.
    #[arg(long, value_name = "HOW")]
    trust: Option<Trust>,

    /// The cluster's OIDC issuer. Left out: what the cluster says.
    #[arg(long, value_name = "URL", requires = "trust")]
    oidc_issuer: Option<String>,

    /// The AWS account of the role. Left out: that of the store's `webIdentity.roleARN`.
    #[arg(long, value_name = "ID", requires = "trust")]
    account: Option<String>,

    /// The operator's service account.
    #[arg(
        long,
        value_name = "NAMESPACE:NAME",
        requires = "trust",
        default_value = "presigned-system:presigned-url-operator"
    )]
    service_account: String,
}

/// What the store and the cluster say.
#[derive(Clone, Debug, Default)]
pub struct TrustFacts {
    /// The store's region.
    pub region: String,
    /// The cluster's OIDC issuer.
    pub issuer: Option<String>,
    /// The store's `webIdentity.roleARN`.
    pub role_arn: Option<String>,
    /// The store's `webIdentity.audience`.
    pub audience: Option<String>,
}

impl TrustArgs {
    /// Whether a trust policy is asked for.
    pub const fn is_asked(&self) -> bool {
        self.trust.is_some()
    }

    /// Whether the flags leave something to the cluster or the files.
    pub fn needs_more(&self) -> bool {
        let Self {
            trust,
            oidc_issuer,
            account,
            service_account: _,
        } = self;
        *trust == Some(Trust::Irsa) && (oidc_issuer.is_none() || account.is_none())
    }

    /// The trust policy.
    ///
    /// # Errors
    /// If a fact is not known.
    pub fn document(&self, facts: &TrustFacts) -> Result<Value, Failure> {
        let (namespace, name) = self
            .service_account
            .split_once(':')
            .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty())
            .filter(|_| !self.service_account.contains('*'))
            .ok_or_else(|| {
                Failure::usage(
                    "--service-account: give NAMESPACE:NAME of the operator's service account, whole and without *",
                )
            })?;
        let statement = match self.trust {
            None | Some(Trust::PodIdentity) => json!({
                "Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Condition": {"StringEquals": {
                    "aws:RequestTag/kubernetes-namespace": namespace,
                    "aws:RequestTag/kubernetes-service-account": name,
                }},
            }),
            Some(Trust::Irsa) => {
                let issuer = self.issuer(facts)?;
                let account = self.account(facts)?;
                let audience = facts.audience.as_deref().unwrap_or(AUDIENCE);
                let partition = match Dialect::of(None, &facts.region) {
                    Dialect::Aws { partition } => partition,
                    Dialect::Plain => "aws",
                };
                let provider = format!("arn:{partition}:iam::{account}:oidc-provider/{issuer}");
                json!({
                    "Effect": "Allow",
                    "Principal": {"Federated": provider},
                    "Action": "sts:AssumeRoleWithWebIdentity",
                    "Condition": {"StringEquals": {
                        format!("{issuer}:aud"): audience,
                        format!("{issuer}:sub"): format!("system:serviceaccount:{namespace}:{name}"),
                    }},
                })
            }
        };
        Ok(json!({"Version": "2012-10-17", "Statement": [statement]}))
    }

    /// The issuer as IAM names it: without the scheme.
    fn issuer(&self, facts: &TrustFacts) -> Result<String, Failure> {
        let issuer = self.oidc_issuer.as_ref().or(facts.issuer.as_ref());
        let issuer = issuer.ok_or_else(|| {
            Failure::usage(
                "the cluster's OIDC issuer is not known: give --oidc-issuer (kubectl get --raw \
                 /.well-known/openid-configuration shows it)",
            )
        })?;
        let bare = issuer.strip_prefix("https://").unwrap_or(issuer);
        let bare = bare.trim_end_matches('/');
        if bare.is_empty() || bare.contains("://") || bare.contains(char::is_whitespace) {
            return Err(Failure::usage(
                "--oidc-issuer: give the issuer's https:// URL, as AWS knows it",
            ));
        }
        Ok(bare.to_owned())
    }

    fn account(&self, facts: &TrustFacts) -> Result<String, Failure> {
        let of_role = |arn: &String| arn.split(':').nth(4).map(str::to_owned);
        let account = self
            .account
            .clone()
            .or_else(|| facts.role_arn.as_ref().and_then(of_role));
        let whole = |id: &String| id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit());
        account.filter(whole).ok_or_else(|| {
            Failure::usage(
                "--account: give the 12 digits of the role's AWS account, for example 111122223333",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    //! Whom a trust policy trusts.

    use super::*;

    fn args(trust: Trust, service_account: &str) -> TrustArgs {
        TrustArgs {
            trust: Some(trust),
            oidc_issuer: Some("https://oidc.example.com/id/1/".to_owned()),
            account: Some("111122223333".to_owned()),
            service_account: service_account.to_owned(),
        }
    }

    #[test]
    fn the_service_account_is_named_whole() {
        let facts = TrustFacts::default();
        let irsa = args(Trust::Irsa, "ns:name")
            .document(&facts)
            .expect("a policy");
        let statement = &irsa["Statement"][0];
        let provider = "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/id/1";
        assert_eq!(statement["Principal"]["Federated"], provider);
        let equals = &statement["Condition"]["StringEquals"];
        assert_eq!(
            equals["oidc.example.com/id/1:sub"],
            "system:serviceaccount:ns:name"
        );
        assert_eq!(equals["oidc.example.com/id/1:aud"], AUDIENCE);
        for wrong in ["*:name", "ns:*", "ns", ":name", "ns:"] {
            for trust in [Trust::Irsa, Trust::PodIdentity] {
                assert!(args(trust, wrong).document(&facts).is_err(), "{wrong}");
            }
        }
    }

    #[test]
    fn partition_account_and_audience_are_the_stores() {
        let facts = TrustFacts {
            region: "cn-north-1".to_owned(),
            issuer: None,
            role_arn: Some("arn:aws-cn:iam::444455556666:role/signer".to_owned()),
            audience: Some("minio".to_owned()),
        };
        let args = TrustArgs {
            account: None,
            ..args(Trust::Irsa, "ns:name")
        };
        let statement = args.document(&facts).expect("a policy")["Statement"][0].clone();
        let provider = "arn:aws-cn:iam::444455556666:oidc-provider/oidc.example.com/id/1";
        assert_eq!(statement["Principal"]["Federated"], provider);
        assert_eq!(
            statement["Condition"]["StringEquals"]["oidc.example.com/id/1:aud"],
            "minio"
        );
        assert!(args.document(&TrustFacts::default()).is_err());
    }
}
