//! What no client should send, byte by byte: each is answered with a problem or refused by closing the connection, at the
//! gateway as at a service, and what comes after it is answered as ever.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{
    api::{Api, fresh, order_of, text},
    platform::{Platform, Setup},
    process::Service,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long anything may take. Longer than a slow body may, and than a request.
const LIMIT: Duration = Duration::from_secs(15);

/// In a list of expected statuses: the connection is closed without an answer.
const CLOSED: u16 = 0;

/// A raw answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Whether an error is a problem. What does not get past the reading of HTTP itself is refused with a bare status.
    fn is_well_said(&self) -> bool {
        let problem = self.header("content-type") == Some("application/problem+json")
            && serde_json::from_str::<Value>(&self.body).is_ok_and(|body| body["status"] == self.status);
        let bare = matches!(self.status, 400 | 414 | 431 | 505) && self.body.is_empty();
        self.status < 400 || problem || bare
    }
}

fn address(api: &Api) -> String {
    api.url("").trim_start_matches("http://").to_owned()
}

/// All answers in what a server has sent. Every one of ours says how long it is.
fn answers(mut text: &str) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some((head, rest)) = text.split_once("\r\n\r\n") {
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut answer = Answer { status: status.expect("a status"), head: head.to_owned(), body: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().expect("a length"));
        answer.body = rest[..length].to_owned();
        text = &rest[length..];
        answers.push(answer);
    }
    assert_eq!(text, "", "after the last answer");
    answers
}

/// Reads until the server closes. A reset is a close, too: of a server that does not read all that was sent.
async fn read_to_close(stream: &mut TcpStream) -> Vec<Answer> {
    let mut bytes = Vec::new();
    let _ = timeout(LIMIT, stream.read_to_end(&mut bytes)).await.expect("the connection is closed in time");
    answers(&String::from_utf8(bytes).expect("text"))
}

/// Sends bytes, and nothing more although the connection stays open; gives what comes back until the server closes.
async fn send(address: &str, bytes: &[u8]) -> Vec<Answer> {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    // The server may have closed before the last byte.
    let _ = stream.write_all(bytes).await;
    read_to_close(&mut stream).await
}

/// A request for `POST /orders` with these further header lines, the last of the connection.
fn post(headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let head = format!("POST /orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n\r\n");
    [head.as_bytes(), body.as_ref()].concat()
}

/// A whole request for `POST /orders` with JSON.
fn order(body: impl AsRef<[u8]>) -> Vec<u8> {
    let length = body.as_ref().len();
    post(&format!("Content-Type: application/json\r\nContent-Length: {length}"), body)
}

fn get(line: &str) -> Vec<u8> {
    format!("{line}\r\nHost: a\r\nConnection: close\r\n\r\n").into_bytes()
}

/// Sends each case, expects one answer with one of the statuses, and that the service then answers as ever.
async fn check(api: &Api, cases: Vec<(&str, Vec<u8>, &[u16])>) {
    for (name, bytes, expected) in cases {
        let answers = send(&address(api), &bytes).await;
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        let status = *statuses.first().unwrap_or(&CLOSED);
        assert!(statuses.len() <= 1 && expected.contains(&status), "{name}: {statuses:?}, not one of {expected:?}");
        assert!(answers.iter().all(Answer::is_well_said), "{name}: {answers:?}");
        api.get("/orders?limit=1").await.expect(200);
    }
}

/// The gateway, and a service without it: what is sent straight to one must be met as well.
async fn both(platform: &mut Platform) -> [Api; 2] {
    [platform.api.clone(), platform.service(Service::Order)]
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_none_of_ours() {
    let mut platform = Platform::start(Setup::default()).await;
    for api in both(&mut platform).await {
        let long_path = "x".repeat(70_000);
        check(
            &api,
            vec![
                ("unknown path", get("GET /nothing HTTP/1.1"), &[404]),
                ("unknown path below a known one", get("GET /orders/a/b/c HTTP/1.1"), &[404]),
                ("empty id", get("GET /orders/ HTTP/1.1"), &[404]),
                ("id with NUL", get("GET /orders/%00 HTTP/1.1"), &[400]),
                ("id that is not UTF-8", get("GET /orders/%ff%fe HTTP/1.1"), &[400]),
                ("id with a line end", get("GET /orders/a%0d%0aSet-Cookie:%20a HTTP/1.1"), &[400]),
                ("broken escape", get("GET /orders/%zz HTTP/1.1"), &[400]),
                ("dot segments", get("GET /menus/../orders HTTP/1.1"), &[404]),
                ("negative limit", get("GET /orders?limit=-1 HTTP/1.1"), &[400]),
                ("huge limit", get("GET /orders?limit=99999999999999999999999 HTTP/1.1"), &[400]),
                ("the same parameter twice", get("GET /orders?limit=1&limit=2 HTTP/1.1"), &[400]),
                ("a state that there is not", get("GET /orders?state=EATEN HTTP/1.1"), &[400]),
                ("cursor beyond the calendar", get("GET /orders?cursor=9223372036854775807.a HTTP/1.1"), &[400]),
                ("path of 70 kB", get(&format!("GET /{long_path} HTTP/1.1")), &[414]),
                ("unknown method", get("BREW /orders HTTP/1.1"), &[405]),
                ("a tunnel", get("CONNECT example.com:443 HTTP/1.1"), &[404, 405]),
                ("the whole server", get("OPTIONS * HTTP/1.1"), &[404]),
                ("absolute form", get("GET http://elsewhere.example/orders?limit=1 HTTP/1.1"), &[200]),
                ("HTTP/1.0", b"GET /orders?limit=1 HTTP/1.0\r\n\r\n".to_vec(), &[200]),
                ("HTTP/2 without an upgrade", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), &[400, 505, CLOSED]),
                ("HTTP/9", get("GET /orders HTTP/9.9"), &[400, 505]),
                ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), &[400, CLOSED]),
                ("no HTTP", b"hello\r\n\r\n".to_vec(), &[400, CLOSED]),
                ("NUL in a header", b"GET /orders HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n".to_vec(), &[400]),
                ("folded header", b"GET /orders HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n".to_vec(), &[400]),
                (
                    "header of 500 kB",
                    get(&format!("GET /orders HTTP/1.1\r\nX: {}", "x".repeat(500_000))),
                    &[431, CLOSED],
                ),
                ("200 headers", get(&format!("GET /orders HTTP/1.1{}", "\r\nX: x".repeat(200))), &[431]),
            ],
        )
        .await;
        let answers = send(&address(&api), &get("PATCH /orders HTTP/1.1")).await;
        let allowed = answers[0].header("allow").expect("Allow");
        assert!(answers[0].status == 405 && allowed.contains("GET") && allowed.contains("POST"), "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_order() {
    let mut platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(1).await;
    let whole = order_of(&menu, 1).to_string();
    let with = |quantity: &str, note: &str| {
        let rest = whole.strip_suffix('}').expect("an object").replace("\"quantity\":1", "\"quantity\":QUANTITY");
        format!("{}, \"note\": {note}}}", rest.replace("QUANTITY", quantity))
    };
    let length = whole.len();
    for api in both(&mut platform).await {
        let json = format!("Content-Type: application/json\r\nContent-Length: {length}");
        check(
            &api,
            vec![
                ("no content type", post(&format!("Content-Length: {length}"), &whole), &[415]),
                ("another content type", post(&json.replace("json", "xml"), &whole), &[415]),
                ("a form", post(&json.replace("application/json", "multipart/form-data"), &whole), &[415]),
                ("nothing", order(""), &[400]),
                ("a number", order("1"), &[422]),
                ("not UTF-8", order(b"{\"customerId\": \"\xff\xfe\"}"), &[400]),
                ("a byte order mark", order(format!("\u{feff}{whole}")), &[400]),
                ("a quantity beyond all numbers", order(with("1e999", "\"\"")), &[400, 422]),
                ("a quantity of twenty digits", order(with("99999999999999999999", "\"\"")), &[422]),
                ("a fraction", order(with("1.5", "\"\"")), &[422]),
                ("not a number", order(with("NaN", "\"\"")), &[400]),
                ("NUL in a note", order(with("1", "\"a\\u0000b\"")), &[422]),
                ("half a character", order(with("1", "\"\\ud800\"")), &[400]),
                ("brackets in brackets", order(with("1", &"[".repeat(50_000))), &[400, 422]),
                ("objects in objects", order("{\"a\":".repeat(10_000)), &[400]),
                ("100 000 brackets", order("[".repeat(100_000)), &[413]),
                ("a field twice", order(whole.replace('{', "{\"quantity\": 2, ")), &[422]),
                ("two keys", post(&format!("{json}\r\nIdempotency-Key: a\r\nIdempotency-Key: b"), &whole), &[400]),
                ("an empty key", post(&format!("{json}\r\nIdempotency-Key: "), &whole), &[400]),
                ("a key that is no ASCII", post(&format!("{json}\r\nIdempotency-Key: \u{e9}"), &whole), &[400]),
                ("a long key", post(&format!("{json}\r\nIdempotency-Key: {}", "k".repeat(256)), &whole), &[400]),
            ],
        )
        .await;
    }
    assert_eq!(platform.api.on_hand(&menu).await, 1, "nothing of this was an order");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_do_not_end_where_they_say() {
    let mut platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(1).await;
    let whole = order_of(&menu, 1).to_string();
    let chunked = "Content-Type: application/json\r\nTransfer-Encoding: chunked";
    for api in both(&mut platform).await {
        let lengths = |first: usize, second: usize| {
            post(
                &format!("Content-Type: application/json\r\nContent-Length: {first}\r\nContent-Length: {second}"),
                &whole,
            )
        };
        check(
            &api,
            vec![
                ("two lengths", lengths(whole.len(), 5), &[400]),
                ("a list of lengths", post("Content-Length: 5, 6", "12345"), &[400]),
                ("a signed length", post("Content-Length: +5", "12345"), &[400]),
                ("a length beyond all numbers", post("Content-Length: 99999999999999999999999", "1"), &[400]),
                ("a length of 1 GB", post("Content-Type: application/json\r\nContent-Length: 1000000000", "1"), &[413]),
                ("chunks that are none", post(chunked, "zz\r\nhello\r\n0\r\n\r\n"), &[400]),
                ("a chunk without end", post(chunked, "ffffffffffffffffff\r\n"), &[400]),
                ("another coding", post("Transfer-Encoding: gzip", "x"), &[400]),
                ("chunked, but not last", post("Transfer-Encoding: chunked, identity", "0\r\n\r\n"), &[400]),
                ("a space in a header's name", post("Transfer-Encoding : chunked", "0\r\n\r\n"), &[400]),
            ],
        )
        .await;

        // Length and chunks: whichever counts, no second request comes out of the body.
        let smuggled = "0\r\n\r\nGET /orders?limit=1 HTTP/1.1\r\nHost: a\r\n\r\n";
        let both = post(&format!("{chunked}\r\nContent-Length: {}", smuggled.len()), smuggled);
        let answers = send(&address(&api), &both).await;
        assert!(answers.len() == 1 && answers[0].status == 400 && answers[0].is_well_said(), "{answers:?}");

        // More than was announced is no request, and ends the connection.
        let request = "GET /orders?limit=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}more\r\n\r\n";
        let answers = send(&address(&api), request.as_bytes()).await;
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert!(matches!(statuses.as_slice(), [200] | [200, 400]), "{statuses:?}");

        // Less than was announced: answered or closed when the caller says that nothing more comes.
        for request in [&order(&whole)[..order(&whole).len() - 5], b"GET /ord", b"POST /orders HTTP/1.1\r\nHost:"] {
            let mut stream = TcpStream::connect(address(&api)).await.expect("a connection");
            stream.write_all(request).await.expect("sent");
            stream.shutdown().await.expect("half-closed");
            let answers = read_to_close(&mut stream).await;
            assert!(answers.iter().all(|answer| answer.status == 400 && answer.is_well_said()), "{answers:?}");
        }

        // Several requests at once are answered one by one.
        let one = "GET /orders?limit=1 HTTP/1.1\r\nHost: a\r\n\r\n";
        let last = "GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let statuses: Vec<_> = send(&address(&api), format!("{one}{one}{last}").as_bytes()).await;
        assert_eq!(statuses.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 404]);
    }
    assert_eq!(platform.api.on_hand(&menu).await, 1, "nothing of this was an order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_trickles_is_not_waited_for() {
    let mut platform = Platform::start(Setup::default()).await;
    for api in both(&mut platform).await {
        for path in ["/orders", "/menus/m-1"] {
            if path == "/menus/m-1" && address(&api) != address(&platform.api) {
                continue; // Order has no menus.
            }
            let method = if path == "/orders" { "POST" } else { "PUT" };
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
            );
            let (mut reader, mut writer) = TcpStream::connect(address(&api)).await.expect("a connection").into_split();
            writer.write_all(head.as_bytes()).await.expect("sent");
            let trickle = async {
                while writer.write_all(b" ").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            };
            let mut bytes = Vec::new();
            tokio::select! {
                () = trickle => {}
                _ = timeout(LIMIT, reader.read_to_end(&mut bytes)) => {}
            }
            let answers = answers(&String::from_utf8(bytes).expect("text"));
            assert!(answers.len() == 1 && answers[0].status == 408 && answers[0].is_well_said(), "{path}: {answers:?}");
        }
        api.get("/orders?limit=1").await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_people_write_comes_back_as_it_was() {
    let platform = Platform::start(Setup { cooking_time: "manual", ..Setup::default() }).await;
    let menu = platform.api.menu_with_stock(10).await;
    for note in
        ["\u{202e}tfel ot thgir", "e\u{301}\u{200d}👩‍🍳", "'; DROP TABLE orders; --", "<script>", "\u{fffd}\u{feff}", ""]
    {
        let mut order = order_of(&menu, 1);
        order["note"] = json!(note);
        let placed = platform.api.place(&order, Some(&fresh())).await.expect(201);
        assert_eq!(text(&placed, "note"), note);
        let page = platform.api.follow(text(&placed, "orderId"), "COOKING").await;
        assert_eq!(text(&page, "note"), note);
    }
}
