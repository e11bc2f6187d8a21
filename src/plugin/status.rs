//! `status`: what was issued, until when, and why not.

use clap::Args;
use kube::ResourceExt as _;
use presigned_core::api::{ConditionStatus, ConditionType, condition};

use super::cluster::{Found, Session};
use super::exit::Exit;
use super::flags::{Flags, Format};
use super::output::{self, Cell, Colour, Table};

/// Show what was issued: until when it lives, when it is renewed, and why it is not there.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// All namespaces.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
}

impl StatusArgs {
    pub async fn run(self, flags: &Flags) -> anyhow::Result<Exit> {
        let session = Session::open(flags).await?;
        let namespace = (!self.all_namespaces).then_some(session.namespace.as_str());
        let found = session.list(namespace).await?;
        let text = match flags.output {
            Format::Table | Format::Wide => table(&found).render(output::colours()),
            Format::Json => output::json(&found)?,
            Format::Yaml => output::yaml(&found)?,
        };
        output::print(&text)?;
        Ok(Exit::Done)
    }
}

fn table(found: &[Found]) -> Table {
    let mut table = Table::new(vec!["NAMESPACE", "NAME", "READY", "REASON", "EXPIRES"]);
    for one in found {
        let status = one.status.clone().unwrap_or_default();
        let ready = condition(&status.conditions, ConditionType::Ready);
        let is_ready = ready.is_some_and(|ready| ready.status == ConditionStatus::True);
        let colour = if is_ready { Colour::Green } else { Colour::Red };
        let expires = status.expiration_time;
        table.row(vec![
            one.namespace().unwrap_or_default().into(),
            one.name_any().into(),
            Cell::coloured(if is_ready { "True" } else { "False" }, colour),
            ready
                .map(|ready| ready.reason.clone())
                .unwrap_or_default()
                .into(),
            expires
                .map(|time| time.to_string())
                .unwrap_or_default()
                .into(),
        ]);
    }
    table
}
