//! Uploads in parts: they continue at an offset, and end with the digest that they promised.

use super::*;

#[tokio::test]
async fn bytes_come_in_parts() {
    let mut server = Asking::new().await;
    // More than a JSON body may have.
    let text = "0123456789abcdef".repeat(1 << 18);
    let (first, second) = text.split_at(3_000_000);
    let digest = Digest::of(text.as_bytes());
    let path = format!("/v1/uploads/{digest}");
    let at = |offset: u64, complete: bool| json!({ "digest": digest, "offset": offset, "complete": complete });

    let reply = server.with(READER_FILE, "GET", &path, "").await;
    assert_eq!(reply.body, at(0, false));
    let reply = server.part(&digest, 0, "?0", first).await;
    assert_eq!((reply.status, reply.body), (200, at(3_000_000, false)));
    let reply = server.part(&digest, 7, "?1", "").await;
    check(&reply, 409, "continues at offset 3000000, not at 7");
    assert_eq!(reply.headers["upload-offset"], "3000000");
    let reply = server.with(READER_FILE, "HEAD", &path, "").await;
    assert_eq!(
        (
            &reply.headers["upload-offset"],
            &reply.headers["upload-complete"]
        ),
        (&"3000000".parse().unwrap(), &"?0".parse().unwrap())
    );
    let reply = server.part(&digest, 3_000_000, "?1", second).await;
    assert_eq!(
        (reply.status, reply.body),
        (200, at(text.len() as u64, true))
    );
    assert_eq!(reply.headers["upload-complete"], "?1");
    // A client repeats its last part when the answer was lost.
    let reply = server.part(&digest, 3_000_000, "?1", "").await;
    assert_eq!(
        (reply.status, reply.body),
        (200, at(text.len() as u64, true))
    );
}

#[tokio::test]
async fn bytes_that_are_others_are_refused() {
    let mut server = Asking::new().await;
    let (digest, other) = (Digest::of(b"right"), Digest::of(b"wrong"));
    let reply = server.part(&digest, 0, "?1", "wrong").await;
    check(&reply, 422, &format!("expected {digest}, got {other}"));
    let reply = server
        .with(READER_FILE, "GET", &format!("/v1/uploads/{digest}"), "")
        .await;
    assert_eq!(reply.body["offset"], 0);
    check(
        &server.part(&digest, 0, "yes", "right").await,
        400,
        "upload-complete",
    );
    let reply = server
        .with(OPERATOR_FILE, "PATCH", "/v1/uploads/x", "")
        .await;
    check(&reply, 400, "`x` is not a valid digest");
}

#[tokio::test]
async fn what_came_before_a_cut_stays() {
    use tokio::io::AsyncWriteExt as _;
    let mut server = Asking::new().await;
    let digest = Digest::of(b"hello, world");
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "PATCH /v1/uploads/{digest} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\nupload-offset: 0\r\n\
         upload-complete: ?1\r\ncontent-length: 12\r\n\r\nhello",
        server.bearer(OPERATOR_FILE)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    drop(stream);
    let path = format!("/v1/uploads/{digest}");
    while server.with(READER_FILE, "GET", &path, "").await.body["offset"] != 5 {
        tokio::task::yield_now().await;
    }
    // The request that was cut off may hold the file a moment longer.
    let mut reply = server.part(&digest, 5, "?1", ", world").await;
    while reply.status == 409 {
        reply = server.part(&digest, 5, "?1", ", world").await;
    }
    assert_eq!(reply.body["complete"], true);
}
