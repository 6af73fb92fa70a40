//! Uploads by HTTP/2, which a watch agrees on by itself: handed on while they come in, like those by HTTP/1.1.

use std::{
    fs,
    io::Write,
    process::{Child, ChildStdin, Stdio},
};

use crate::support::{House, Nginx, Watch, sha256, until};

/// More than the server gathers before it writes.
const HALF: usize = 1 << 20;

/// An upload over HTTP/2 whose first half has been sent.
struct Upload {
    curl: Child,
    body: ChildStdin,
}

impl Upload {
    fn begin(nginx: &Nginx, watch: &Watch, uuid: &str) -> Self {
        let mut curl = nginx.tls().curl_command();
        curl.args(["--http2", "-X", "POST", "-T", "-", "-H", "Content-Type: multipart/form-data; boundary=B"]);
        curl.args(["-H", &format!("Authorization: Bearer {}", watch.token), &format!("{}/recording/new/?uuid={uuid}", nginx.base())]);
        let mut curl = curl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("curl");
        let body = curl.stdin.take().expect("piped");
        Self { curl, body }
    }

    /// Sends beside the test, whose thread the house needs.
    async fn send(mut self, bytes: Vec<u8>) -> Self {
        let send = move || {
            self.body.write_all(&bytes).and_then(|()| self.body.flush()).expect("sent");
            self
        };
        tokio::task::spawn_blocking(send).await.expect("no panic")
    }

    async fn finish(self) -> String {
        let Self { curl, body } = self;
        drop(body);
        let output = tokio::task::spawn_blocking(move || curl.wait_with_output()).await.expect("no panic").expect("its output");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

#[tokio::test]
async fn an_upload_by_http_2_is_handed_on_as_it_comes_and_a_cut_one_leaves_nothing() {
    let house = House::start().await;
    let nginx = Nginx::start_tls(&house).await;
    let watch = house.watch("w").await;
    for cut in [true, false] {
        let uuid = watch.new_dataset().await;
        let first = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n";
        let upload = Upload::begin(&nginx, &watch, &uuid).send([first.as_bytes(), &vec![b'1'; HALF]].concat()).await;
        until("the first half is on the disk", async || {
            house.incoming().iter().any(|file| fs::metadata(file).is_ok_and(|file| file.len() > 0))
        })
        .await;
        if cut {
            let mut upload = upload;
            upload.curl.kill().expect("killed");
            upload.curl.wait().expect("its end");
            until("nothing is left of it", async || house.incoming().is_empty()).await;
            assert!(house.researcher().files(&uuid).await.is_empty());
        } else {
            let answer = upload.send(b"\r\n--B--\r\n".to_vec()).await.finish().await;
            assert!(answer.starts_with("HTTP/2 200"), "{answer}");
            assert_eq!(house.researcher().files(&uuid).await, [("a.csv".to_owned(), sha256(&vec![b'1'; HALF]))]);
        }
    }
}
