//! Uploads through nginx: handed on while they come in, and told apart from a redirect or a dead house.

use tokio::io::AsyncWriteExt;

use crate::support::{Connection, House, Nginx, Watch, read_answer, sha256, until};

const BOUNDARY: &str = "frontier";
/// More than the server gathers before it writes.
const HALF: usize = 1 << 20;

/// How the length of a body is told.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Announced,
    Chunked,
}

/// An upload of `2 * HALF` bytes of which the first half has been sent.
struct Upload {
    stream: Box<dyn Connection>,
    framing: Framing,
}

impl Upload {
    async fn begin(nginx: &Nginx, watch: &Watch, uuid: &str, framing: Framing) -> Self {
        let first = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n");
        let length = first.len() + 2 * HALF + last().len();
        let framed = match framing {
            Framing::Announced => format!("Content-Length: {length}"),
            Framing::Chunked => "Transfer-Encoding: chunked".to_owned(),
        };
        let (address, token) = (nginx.address, &watch.token);
        let head = format!(
            "POST /recording/new/?uuid={uuid} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n{framed}\r\n\r\n"
        );
        let mut stream = nginx.connect().await;
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut upload = Self { stream, framing };
        upload.send(first.as_bytes()).await;
        upload.send(&vec![b'1'; HALF]).await;
        upload
    }

    async fn send(&mut self, bytes: &[u8]) {
        let framed = match self.framing {
            Framing::Announced => bytes.to_vec(),
            Framing::Chunked => [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat(),
        };
        self.stream.write_all(&framed).await.expect("sent");
        // TLS keeps back what has not been flushed.
        self.stream.flush().await.expect("sent");
    }

    async fn finish(mut self) -> u16 {
        self.send(&vec![b'2'; HALF]).await;
        self.send(last().as_bytes()).await;
        if matches!(self.framing, Framing::Chunked) {
            self.stream.write_all(b"0\r\n\r\n").await.expect("sent");
            self.stream.flush().await.expect("sent");
        }
        read_answer(&mut self.stream).await.status
    }
}

fn last() -> String {
    format!("\r\n--{BOUNDARY}--\r\n")
}

/// Each way in which an upload comes to nginx.
async fn ways(house: &House) -> Vec<(Nginx, Framing)> {
    let mut ways = Vec::new();
    for framing in [Framing::Announced, Framing::Chunked] {
        ways.push((Nginx::start(house).await, framing));
        ways.push((Nginx::start_tls(house).await, framing));
    }
    ways
}

#[tokio::test]
async fn the_house_sees_the_first_bytes_before_the_last_are_sent() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    for (nginx, framing) in ways(&house).await {
        let uuid = watch.new_dataset().await;
        let upload = Upload::begin(&nginx, &watch, &uuid, framing).await;
        until("the first half is on the disk", async || {
            house.incoming().iter().any(|file| std::fs::metadata(file).is_ok_and(|file| file.len() > 0))
        })
        .await;
        assert_eq!(upload.finish().await, 200, "{framing:?}");
        let whole = [vec![b'1'; HALF], vec![b'2'; HALF]].concat();
        assert_eq!(house.researcher().files(&uuid).await, [("a.csv".to_owned(), sha256(&whole))], "{framing:?}");
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    for (nginx, framing) in ways(&house).await {
        let uuid = watch.new_dataset().await;
        let upload = Upload::begin(&nginx, &watch, &uuid, framing).await;
        until("the upload has begun", async || !house.incoming().is_empty()).await;
        drop(upload);
        until("nothing is left of it", async || house.incoming().is_empty()).await;
        assert!(house.researcher().files(&uuid).await.is_empty(), "{framing:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_read_although_the_body_is_still_being_sent() {
    let house = House::start().await;
    let nginx = Nginx::start(&house).await;
    let stranger = Watch::with_token(nginx.base(), "no token".to_owned());
    for _ in 0..10 {
        let answer = stranger.try_upload("67e55044-10b1-426f-9247-bb680e5fe0c8", "a.csv", vec![0; 16 << 20]).await;
        assert_eq!(answer.expect("an answer").status(), 401);
    }
}

#[tokio::test]
async fn a_watch_is_never_redirected() {
    let house = House::start().await;
    let nginx = Nginx::start(&house).await;
    let watch = nginx.watch(&house.watch("w").await);
    for path in
        ["/recording/new/", "/recording/new", "//recording/new/", "/recording/new/?uuid=x", "/tokenauth/request/", "/tokenauth/request"]
    {
        for method in ["GET", "HEAD", "POST"] {
            let status = watch.request(method, path).send().await.expect("an answer").status();
            assert!(!status.is_redirection(), "{method} {path}: {status}");
        }
    }
}

#[tokio::test]
async fn a_stopped_house_is_a_503_for_everybody() {
    let mut house = House::start().await;
    let nginx = Nginx::start(&house).await;
    let (watch, researcher) = (nginx.watch(&house.watch("w").await), nginx.researcher());
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    researcher.zip(&uuid).await;
    house.stop().await;
    let mut answers = vec![watch.try_upload(&uuid, "b.csv", vec![0; HALF]).await.expect("an answer")];
    for path in ["/", "/recording/list/", "/tokenauth/request/?identifier=w", "/api/v1/requests"] {
        answers.push(researcher.get(path).await);
    }
    for path in [format!("/uploads/zips/{uuid}.zip"), format!("/uploads/recordings/{uuid}/a.csv")] {
        answers.push(researcher.get(&path).await);
    }
    for answer in answers {
        assert_eq!(answer.status(), 503, "{}", answer.url());
        assert_eq!(answer.headers()["retry-after"], "60", "{}", answer.url());
    }
}
