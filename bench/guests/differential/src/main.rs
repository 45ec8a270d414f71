//! Runs the engine as `bench -- order-summary` starts it: the configuration is the argument, the report goes to standard
//! output, both as JSON.

/// The server's; all engines have it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config =
        std::env::args().nth(1).ok_or("it is started by: cargo run --release -p tidewater-bench -- order-summary")?;
    println!("{}", tidewater_order_summary::run::child(&tidewater_guest_differential::ENTRY, &config)?);
    Ok(())
}
