//! Writes the seeds of each target into a folder of its name, or lists the targets: `seeds FOLDER`,
//! `seeds --list`.

use std::path::Path;

use presigned_fuzz::TARGETS;

fn main() -> std::io::Result<()> {
    let argument = std::env::args().nth(1);
    match argument.as_deref() {
        Some("--list") => {
            for target in TARGETS {
                println!("{}", target.name);
            }
            Ok(())
        }
        Some(folder) => TARGETS.iter().try_for_each(|target| {
            let folder = Path::new(folder).join(target.name);
            std::fs::create_dir_all(&folder)?;
            for (at, seed) in target.seeds.iter().enumerate() {
                std::fs::write(folder.join(at.to_string()), seed)?;
            }
            Ok(())
        }),
        None => Err(std::io::Error::other(
            "give a folder for the seeds, or --list",
        )),
    }
}
