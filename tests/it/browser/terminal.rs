//! Pictures of what the plugin prints, for the docs.
//!
//! What holds here: what a picture shows is what a command printed in a test, but for the names that only a
//! test has. Without `PSU_PICTURES` there is none, and no browser is started.

use super::chromium::Chromium;
use super::stage::pictures;

/// How a terminal looks: what was typed stands out, and long lines are broken as a terminal breaks them.
const STYLE: &str = "
  :root { color-scheme: light dark; }
  body { margin: 0; padding: 16px 20px; color: light-dark(#1f2328, #d1d7e0);
         background: light-dark(#f6f8fa, #151b23); }
  pre { margin: 0; font: 12.5px/1.5 'DejaVu Sans Mono', monospace; white-space: pre-wrap;
        overflow-wrap: anywhere; }
  b { color: light-dark(#0550ae, #79c0ff); font-weight: 600; }
";

/// Makes a picture of commands and what they printed, if pictures are wanted. `names` are those of the test,
/// and what stands for each.
pub(crate) async fn picture(name: &str, commands: &[(&str, &str)], names: &[(&str, &str)]) {
    let Some(folder) = pictures() else { return };
    std::fs::create_dir_all(&folder).expect("a folder");
    let text: Vec<String> = commands
        .iter()
        .map(|(typed, printed)| format!("$ <b>{}</b>\n{}", escaped(typed), escaped(printed)))
        .collect();
    let text = names
        .iter()
        .fold(text.join("\n"), |text, (of_test, shown)| {
            text.replace(of_test, shown)
        });
    let page = format!(
        "<!doctype html><meta charset=utf-8><style>{STYLE}</style><pre>{}</pre>",
        text.trim_end()
    );
    let mut browser = Chromium::start().await;
    let file = browser.file("terminal.html", page.as_bytes());
    browser
        .open(&format!("file://{}", file.display()), "")
        .await;
    for (dark, suffix) in [(false, ""), (true, "-dark")] {
        let picture = browser.picture(900, dark).await;
        assert!(picture.len() < 100_000, "{} bytes", picture.len());
        std::fs::write(folder.join(format!("{name}{suffix}.webp")), picture).expect("write");
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
