fn main() {
    for p in std::env::args().skip(1) {
        let b = std::fs::read(&p).unwrap();
        let t = std::time::Instant::now();
        let c = wargate_component::prepass(&b);
        let tp = t.elapsed();
        match c {
            Err(e) => {
                println!("{p}: {tp:?} REFUSED {e}");
                continue;
            }
            Ok(c) => {
                let t = std::time::Instant::now();
                let r = wargate_component::inspect(&b);
                let ti = t.elapsed();
                let r = match r {
                    Err(e) => format!("{e}"),
                    Ok(i) => format!(
                        "{} {:?} in{} out{} wit {} pkg {:?} targets {:?} exp {} {:?} name {:?} | {:?}",
                        i.kind,
                        i.metadata.version,
                        i.imports.len(),
                        i.exports.len(),
                        i.wit.as_ref().map_or(0, |w| w.text.as_ref().map_or(0, |t| t.len())),
                        i.package.map(|p| format!("{}:{}@{:?}", p.namespace, p.name, p.version)),
                        i.targets,
                        i.experimental,
                        i.features,
                        i.metadata.name,
                        i.warnings
                    ),
                };
                println!(
                    "{p}: {tp:?}/{ti:?} n{} p{} w{} {} {r}",
                    c.nesting,
                    c.product(),
                    c.work,
                    if c.in_process() { "IN" } else { "out" }
                );
            }
        }
    }
}
