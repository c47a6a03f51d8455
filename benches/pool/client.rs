//! One connection that speaks just enough HTTP/1.1: on a small machine a whole client would measure itself.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Sends requests one after the other, as somebody.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    port: u16,
    token: String,
    buffer: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body, if the status is as it should be.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }
}

impl Client {
    pub async fn connect(port: u16, token: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, port, token: token.to_owned(), buffer: Vec::with_capacity(1 << 16) }
    }

    /// The same person over another connection.
    pub async fn another(&self) -> Self {
        Self::connect(self.port, &self.token).await
    }

    pub async fn signed_in(port: u16, username: &str, password: &str) -> Self {
        let mut client = Self::connect(port, "").await;
        let body = serde_json::json!({ "username": username, "password": password }).to_string();
        let view = client.send("POST", "/api/login", "", "application/json", body.as_bytes()).await.expect(200);
        view["access_token"].as_str().unwrap().clone_into(&mut client.token);
        client
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, "", "", b"").await
    }

    /// `headers` are whole lines.
    pub async fn post(&mut self, path: &str, headers: &str, body: &Value) -> Answer {
        self.send("POST", path, headers, "application/json", body.to_string().as_bytes()).await
    }

    pub async fn delete(&mut self, path: &str) -> Answer {
        self.send("DELETE", path, "", "", b"").await
    }

    pub async fn send(&mut self, method: &str, path: &str, headers: &str, kind: &str, body: &[u8]) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}");
        if !self.token.is_empty() {
            let _ = write!(request, "authorization: Bearer {}\r\n", self.token);
        }
        if !kind.is_empty() {
            let _ = write!(request, "content-type: {kind}\r\ncontent-length: {}\r\n", body.len());
        }
        request += "\r\n";
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body);
        self.stream.write_all(&bytes).await.unwrap();
        self.answer().await
    }

    async fn answer(&mut self) -> Answer {
        self.buffer.clear();
        let head = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert_ne!(self.stream.read_buf(&mut self.buffer).await.unwrap(), 0, "the server hung up");
        };
        let text = std::str::from_utf8(&self.buffer[..head]).unwrap().to_ascii_lowercase();
        let status = text[9..12].parse().unwrap();
        let length =
            text.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        while self.buffer.len() < head + length {
            assert_ne!(self.stream.read_buf(&mut self.buffer).await.unwrap(), 0, "the server hung up");
        }
        Answer { status, body: self.buffer[head..head + length].to_vec() }
    }
}

/// Waits until `done`, looking again and again; how long that took. None: it was not done in `most`.
pub async fn until(client: &mut Client, path: &str, most: Duration, done: impl Fn(&Value) -> bool) -> Option<Duration> {
    let began = Instant::now();
    while began.elapsed() < most {
        if done(&client.get(path).await.expect(200)) {
            return Some(began.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    None
}
