//! `status`: what was issued, until when, when it is renewed, and why it is not there.

mod columns;
mod follow;

use clap::Args;
use kube::ResourceExt as _;
use serde_json::json;

use self::columns::Columns;
use self::follow::Follow;
use super::cluster::Session;
use super::exit::Exit;
use super::flags::{Flags, Format};
use super::found::Found;
use super::output;
use super::page::{page, store_of};
use super::stop::reader_gone;
use crate::clock::Clock;

/// Show what was issued, until when it lives, when it is renewed, and why it is not there
///
/// Without a NAME: a table of the namespace, and below it why each resource that is not Ready is not, and what
/// fails of those that are. With one: all that its status says. -o wide has the store, its credentials, the
/// Secret and the verification besides; the credentials are shown to those who may read ClusterObjectStores. No
/// URL is shown: for that there is get.
///
/// Exit codes: 0 it was shown, whatever it says; 1 there is none of that name; 3 it cannot be read.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  kubectl presigned status
  kubectl presigned status model
  kubectl presigned status -A -o wide
  kubectl presigned status --watch")]
pub struct StatusArgs {
    /// The PresignedURL. Left out: all of the namespace.
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with = "name")]
    all_namespaces: bool,

    /// After the table, show each change until you stop it, or until nobody reads it any more (`| head`). If the
    /// API server is gone for a while, what happened meanwhile is shown once it is back.
    #[arg(short = 'w', long)]
    watch: bool,
}

impl StatusArgs {
    /// Runs the command.
    pub async fn run(self, flags: &Flags) -> anyhow::Result<Exit> {
        let session = Session::open(flags).await?;
        let now = Clock::start().wall();
        let colours = output::colours();
        if let (Some(name), false) = (&self.name, self.watch) {
            let found = session.find(name).await?;
            let text = match flags.output {
                Format::Table | Format::Wide => {
                    let store = session.store(store_of(&found)).await;
                    page(&found, &store, now, colours)
                }
                Format::Json => output::json(&found)?,
                Format::Yaml => output::yaml(&found)?,
            };
            output::print(&text)?;
            return Ok(Exit::Done);
        }
        let scope = (!self.all_namespaces).then_some(session.namespace.as_str());
        if let Some(name) = &self.name {
            session.find(name).await?;
        }
        let (mut found, version) = session.list(scope).await?;
        found.retain(|one| self.shows(one));
        let columns = self.columns(&session, flags.output).await;
        match flags.output {
            Format::Table | Format::Wide => output::print(&columns.text(&found, now, colours))?,
            Format::Json => output::print(&output::json(&list(&found))?)?,
            Format::Yaml => output::print(&output::yaml(&list(&found))?)?,
        }
        if found.is_empty() && !self.watch {
            let place = scope.map_or("any namespace".to_owned(), |name| {
                format!("namespace {name}")
            });
            eprintln!("There is no PresignedURL in {place}.");
        }
        if self.watch {
            let (name, shown) = (self.name.as_deref(), (found, version));
            let follow = Follow::new(name, &session, scope, flags.output, columns, shown);
            tokio::select! {
                ended = follow.run() => ended?,
                () = reader_gone() => {}
            }
        }
        Ok(Exit::Done)
    }

    fn shows(&self, one: &Found) -> bool {
        self.name
            .as_ref()
            .is_none_or(|name| *name == one.name_any())
    }

    async fn columns(&self, session: &Session, format: Format) -> Columns {
        let wide = format == Format::Wide;
        // Whoever may not read stores sees no credentials, and all else.
        let stores = if wide {
            session.stores().await
        } else {
            Ok(Vec::new())
        };
        let named = stores.unwrap_or_default().into_iter();
        Columns {
            namespaces: self.all_namespaces,
            wide,
            stores: named.map(|store| (store.name_any(), store)).collect(),
        }
    }
}

fn list(found: &[Found]) -> serde_json::Value {
    json!({ "apiVersion": "v1", "kind": "List", "items": found })
}
