//! temporary
use renraku::{engine::*, http::*, store::*};
#[global_allocator]
static A: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn main() {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let a: Vec<String> = std::env::args().collect();
    let get =
        |n: &str, d: &str| a.iter().position(|x| x == n).and_then(|i| a.get(i + 1).cloned()).unwrap_or(d.to_owned());
    let store =
        Store::open(StoreOptions::new(Database::parse(&get("--database", "sqlite:///tmp/dev.db")).unwrap())).unwrap();
    let engine = Engine::new(store, EngineSettings::default());
    for b in renraku::operations::demo::demo_bundles() {
        if a.iter().any(|x| x == "--demo") {
            engine.transaction_blocking(b, "", None).unwrap().wait().unwrap();
        }
    }
    let s = HttpSettings { listen: get("--listen", "127.0.0.1:8080").parse().unwrap(), ..Default::default() };
    serve(engine, s, |x| println!("listening on http://{x}")).unwrap();
}
