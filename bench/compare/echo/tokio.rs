// A server that sends back whatever arrives: a task for each connection.
use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[path = "../support.rs"]
mod support;

async fn echo(mut connection: TcpStream) -> io::Result<usize> {
    let mut buffer = [0; 4096];
    let mut echoed = 0;
    loop {
        let size = connection.read(&mut buffer).await?;
        if size == 0 {
            return Ok(echoed);
        }
        connection.write_all(&buffer[..size]).await?;
        echoed += size;
    }
}

async fn serve(connections: usize) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("port {}", listener.local_addr()?.port());
    let mut cpu = None;
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        let (connection, _) = listener.accept().await?;
        cpu.get_or_insert_with(support::cpu_seconds);
        connection.set_nodelay(true)?;
        open.push(tokio::spawn(echo(connection)));
    }
    let mut echoed = 0;
    for one in open {
        echoed += one.await??;
    }
    let cpu = support::cpu_seconds() - cpu.unwrap_or_default();
    if echoed == 0 {
        support::not_done();
    }
    println!("cpu_us {:.3}", 1e6 * cpu / (echoed as f64 / 64.0));
    Ok(())
}

fn main() {
    let asked = support::asked();
    let runtime = support::runtime(asked.threads).unwrap();
    let connections = asked.variant.parse().unwrap();
    runtime.block_on(runtime.spawn(serve(connections))).unwrap().unwrap();
}
