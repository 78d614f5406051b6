"""Each entry of the failure menu does what its line says."""

from __future__ import annotations

import json

import httpx
import pytest

from prefect_videogen.emulator import MENU, Faults

EVOLINK = "wan2.5-image-to-video"
SUBMIT = "/api/v1/generateTask/"

VENDORS = ["apixo", "evolink"]


def submit(customer, vendor, **changes):
    return customer.evolink(**changes) if vendor == "evolink" else customer.wan(**changes)


def model_of(vendor):
    return EVOLINK if vendor == "evolink" else "wan-2-5"


def ask(customer, vendor, at):
    """Make the request that a fault at this place hits."""
    if at == "submit":
        return submit(customer, vendor)
    model = model_of(vendor)
    if at == "status":
        faults = customer.emulator.faults
        scripted = faults.pending
        faults.clear()
        job_id = customer.id_of(submit(customer, vendor))
        for fault in scripted:
            faults.add(fault.name, at=fault.at, times=fault.times, **fault.options)
        return customer.status(model, job_id)
    return customer.http.get(customer.finished(model)[1])


def accepted(customer, at):
    """Whether the request did what it asked for although its answer did not say so."""
    return at != "submit" or len(customer.emulator.charges) == 1


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("at", ["submit", "status", "download"])
@pytest.mark.parametrize(
    ("name", "status"),
    [("refuse-500", 500), ("refuse-503", 503), ("throttle", 429), ("throttle-retry-after", 429)],
)
def test_refusal_happens_once_and_charges_nothing(customer, vendor, at, name, status):
    fault = customer.emulator.faults.add(name, at=at)
    answer = ask(customer, vendor, at)

    assert answer.status_code == status
    assert ("retry-after" in answer.headers) == (name == "throttle-retry-after")
    if at == "submit":
        assert fault.taken == 1
        assert customer.emulator.charges == []
        assert submit(customer, vendor).status_code == 200
    if at != "download":
        assert ("error" in answer.json()) == (vendor == "evolink")


@pytest.mark.parametrize("name", ["refuse-500", "throttle"])
def test_upload_can_be_refused(customer, name):
    customer.emulator.faults.add(name, at="upload")
    answer = customer.http.post(
        "/api/v1/files/upload/url", json={"file_url": customer.picture("sky.png")}
    )

    assert answer.status_code in {500, 429}
    assert answer.json()["success"] is False


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("at", ["submit", "status"])
@pytest.mark.parametrize(("name", "code"), [("envelope-error", 500), ("envelope-queue-full", 429)])
def test_envelope_with_200_holds_the_error(customer, vendor, at, name, code):
    customer.emulator.faults.add(name, at=at)
    answer = ask(customer, vendor, at)

    assert answer.status_code == 200
    if vendor == "apixo":
        assert (answer.json()["code"], answer.json()["data"]) == (code, None)
    else:
        assert answer.json()["error"]["message"]
    assert len(customer.emulator.charges) == (at == "status")


@pytest.mark.parametrize(
    ("vendor", "name", "status"),
    [
        ("apixo", "no-credits-400", 400),
        ("apixo", "no-credits-402", 402),
        ("evolink", "no-credits-402", 402),
        ("apixo", "key-refused-403", 403),
        ("evolink", "key-refused-403", 403),
    ],
)
def test_account_problem_is_refused_without_a_charge(customer, vendor, name, status):
    customer.emulator.faults.add(name)
    answer = submit(customer, vendor)

    assert answer.status_code == status
    if name == "no-credits-400":
        assert answer.json()["message"] == "Insufficient credits"
    assert customer.emulator.charges == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_fresh_job_is_not_found_for_the_first_polls(customer, vendor):
    customer.emulator.faults.add("not-found-at-first", times=2)
    job_id = customer.id_of(submit(customer, vendor))

    statuses = [customer.status(model_of(vendor), job_id).status_code for _ in range(3)]
    assert statuses == [404, 404, 200]


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("at", ["submit", "status"])
def test_connection_drops_after_the_job_was_accepted(customer, vendor, at):
    customer.emulator.faults.add("drop-after-accept", at=at)

    with pytest.raises(httpx.RemoteProtocolError):
        ask(customer, vendor, at)
    assert accepted(customer, at)
    calls = [seen for seen in customer.emulator.requests if seen.kind in {"submit", "status"}]
    assert [seen.kind for seen in calls if seen.status is None] == [at]
    job = customer.emulator.jobs[0]
    assert customer.ended(model_of(vendor), job.id)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("at", ["submit", "status"])
@pytest.mark.parametrize("status", [502, 504])
def test_gateway_error_hides_an_accepted_job(customer, vendor, at, status):
    customer.emulator.faults.add(f"{status}-after-accept", at=at)
    answer = ask(customer, vendor, at)

    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert accepted(customer, at)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("at", ["submit", "status"])
def test_no_answer_comes_until_the_client_gives_up(customer, vendor, at):
    customer.emulator.faults.add("no-answer", at=at)
    customer.http.timeout = httpx.Timeout(0.3)

    with pytest.raises(httpx.ReadTimeout):
        ask(customer, vendor, at)
    assert accepted(customer, at)


def test_unknown_outcome_is_settled_by_the_same_key(customer):
    customer.emulator.faults.add("paid-outcome-unknown")
    key = "clip-0123456789abcdef"
    answer = customer.evolink(key=key)

    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "paid_outcome_unknown"
    again = customer.evolink(key=key)
    assert again.headers["idempotency-replayed"] == "true"
    assert len(customer.emulator.charges) == 1


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("at", ["submit", "status"])
def test_json_is_cut_or_somebody_elses(customer, vendor, at):
    customer.emulator.faults.add("malformed-json", at=at)
    answer = ask(customer, vendor, at)
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert accepted(customer, at)

    customer.emulator.faults.add("foreign-json", at=at)
    answer = ask(customer, vendor, at)
    assert answer.status_code == 200
    assert set(answer.json()) == {"status", "items", "server"}


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("at", ["submit", "status", "download"])
def test_html_comes_with_a_200(customer, vendor, at):
    customer.emulator.faults.add("html-instead", at=at)
    answer = ask(customer, vendor, at)

    assert answer.status_code == 200
    assert "<html>" in answer.text
    assert accepted(customer, at)


@pytest.mark.parametrize("at", ["submit", "status", "download"])
def test_truncated_body_is_shorter_than_it_says(customer, at):
    customer.emulator.faults.add("truncated-body", at=at)

    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        ask(customer, "apixo", at)
    assert accepted(customer, at)


@pytest.mark.parametrize("at", ["submit", "status", "download"])
def test_wrong_length_makes_the_client_see_half(customer, at):
    customer.emulator.faults.add("wrong-length", at=at)
    answer = ask(customer, "apixo", at)

    told = int(answer.headers["content-length"])
    assert len(answer.content) == told
    if at == "download":
        whole = customer.emulator.jobs[0].clip.stat().st_size
        assert told == whole // 2


@pytest.mark.parametrize("at", ["submit", "status", "download"])
def test_endless_body_goes_on_until_the_client_leaves(customer, at):
    customer.emulator.faults.add("endless-body", at=at)

    with streamed(customer, at) as answer:
        received = 0
        for chunk in answer.iter_bytes():
            received += len(chunk)
            if received > 5_000_000:
                break
    assert received > 5_000_000
    assert accepted(customer, at)


@pytest.mark.parametrize("at", ["submit", "status", "download"])
def test_trickling_body_comes_byte_by_byte(customer, at):
    customer.emulator.faults.add("trickle", at=at, pause=0.005)

    with streamed(customer, at) as answer:
        chunks = answer.iter_raw()
        first = [next(chunks) for _ in range(5)]
    assert sum(map(len, first)) < 100


@pytest.mark.parametrize("at", ["submit", "status", "download"])
def test_connection_stalls_after_the_headers(customer, at):
    customer.emulator.faults.add("stall-after-headers", at=at)
    customer.http.timeout = httpx.Timeout(0.3)

    with streamed(customer, at) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.ReadTimeout):
            answer.read()


def streamed(customer, at):
    if at == "submit":
        body = {"input": {"mode": "text-to-video", "prompt": "a kite"}}
        return customer.http.stream("POST", SUBMIT + "wan-2-5", json=body)
    scripted = customer.emulator.faults.pending
    customer.emulator.faults.clear()
    job_id, url = customer.finished()
    for fault in scripted:
        customer.emulator.faults.add(fault.name, at=fault.at, **fault.options)
    if at == "status":
        path = "/api/v1/statusTask/wan-2-5"
        return customer.http.stream("GET", path, params={"taskId": job_id})
    return customer.http.stream("GET", url)


def test_stalled_connection_does_not_keep_the_server_up(start):
    customer = start()
    customer.emulator.faults.add("stall-after-headers", at="submit")
    with streamed(customer, "submit") as answer:
        customer.emulator.stop()
        with pytest.raises(httpx.HTTPError):
            answer.read()


@pytest.mark.parametrize("vendor", VENDORS)
def test_unknown_status_word_passes(customer, vendor):
    customer.emulator.faults.add("unknown-status")
    customer.emulator.faults.add("unknown-status", word="dreaming")
    job_id = customer.id_of(submit(customer, vendor))

    tasks = [customer.task(model_of(vendor), job_id) for _ in range(3)]
    words = [task.get("status", task.get("state")) for task in tasks]
    assert words[:2] == ["reviewing", "dreaming"]
    assert words[2] in {"pending", "processing", "success", "completed"}


@pytest.mark.parametrize("vendor", VENDORS)
def test_status_goes_backwards_once(customer, vendor):
    fault = customer.emulator.faults.add("status-backwards")
    job_id = customer.id_of(submit(customer, vendor))
    customer.until(lambda: customer.emulator.job(job_id).state == "completed")

    tasks = [customer.task(model_of(vendor), job_id) for _ in range(2)]
    words = [task.get("status", task.get("state")) for task in tasks]
    assert words[0] == "pending"
    assert words[1] in {"success", "completed"}
    assert fault.taken == 1


@pytest.mark.parametrize("vendor", VENDORS)
def test_success_comes_without_a_url(customer, vendor):
    customer.emulator.faults.add("success-without-url")
    job_id = customer.id_of(submit(customer, vendor))
    model = model_of(vendor)

    task = customer.ended(model, job_id)
    with pytest.raises(IndexError):
        customer.url_of(task)
    assert customer.url_of(customer.ended(model, job_id))


def test_price_fields_can_be_absent(customer):
    customer.emulator.faults.add("price-absent", at="submit")
    customer.emulator.faults.add("price-absent", at="status", times=None)

    answer = customer.evolink()
    assert "usage" not in answer.json()
    assert "usage" not in customer.ended(EVOLINK, customer.id_of(answer))
    assert "costTime" not in customer.ended("wan-2-5", customer.id_of(customer.wan()))


@pytest.mark.parametrize("status", [403, 404, 410])
def test_result_url_refuses_once(customer, status):
    customer.emulator.faults.add(f"download-{status}")
    _, url = customer.finished()

    assert [customer.http.get(url).status_code for _ in range(2)] == [status, 200]


@pytest.mark.parametrize(("vendor", "status"), [("apixo", 404), ("evolink", 403)])
def test_result_expires_for_good(customer, vendor, status):
    customer.emulator.faults.add("result-expired")
    _, url = customer.finished(model_of(vendor))

    assert [customer.http.get(url).status_code for _ in range(2)] == [status, status]


@pytest.mark.parametrize(
    ("name", "options", "location"),
    [
        ("redirect-private", {}, "http://169.254.169.254/latest/meta-data/"),
        ("redirect-elsewhere", {}, "https://cdn.example.net/clip.mp4"),
        ("redirect-elsewhere", {"location": "https://a.example/x"}, "https://a.example/x"),
    ],
)
def test_result_url_redirects(customer, name, options, location):
    customer.emulator.faults.add(name, **options)
    answer = customer.http.get(customer.finished()[1])

    assert (answer.status_code, answer.headers["location"]) == (302, location)


@pytest.mark.parametrize(
    ("vendor", "options", "code"),
    [
        ("apixo", {}, "PROCESSING_TIMEOUT"),
        ("evolink", {}, "service_error"),
        ("apixo", {"code": "MODEL_UNAVAILABLE"}, "MODEL_UNAVAILABLE"),
    ],
)
def test_job_fails_with_a_transient_code(customer, vendor, options, code):
    customer.emulator.faults.add("job-fails", **options)

    task = customer.ended(model_of(vendor), customer.id_of(submit(customer, vendor)))
    assert code in {task.get("failCode"), task.get("error", {}).get("code")}


def test_job_is_cancelled(customer):
    customer.emulator.faults.add("job-cancelled")

    task = customer.ended(EVOLINK, customer.id_of(customer.evolink()))
    assert (task["status"], task["error"]["code"]) == ("cancelled", "request_cancelled")
    assert customer.emulator.charges[0].refunded


def test_hanging_job_never_ends(customer):
    customer.emulator.faults.add("job-hangs")
    hanging = customer.emulator.job(customer.id_of(customer.wan()))
    customer.finished()

    assert hanging.state == "processing"


@pytest.fixture
def hooked(customer, receiver):
    def order(vendor):
        if vendor == "evolink":
            return customer.evolink(callback_url=receiver.url)
        envelope = {"request_type": "callback", "callback_url": receiver.url}
        return customer.wan(envelope=envelope)

    return order


@pytest.mark.parametrize("vendor", VENDORS)
def test_callback_is_lost(customer, receiver, hooked, vendor):
    customer.emulator.faults.add("callback-lost")
    hooked(vendor)
    customer.until(lambda: customer.emulator.deliveries)

    assert [delivery.what for delivery in customer.emulator.deliveries] == ["lost"]
    assert receiver.bodies == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_callback_comes_twice(customer, receiver, hooked, vendor):
    customer.emulator.faults.add("callback-doubled")
    hooked(vendor)
    customer.until(lambda: len(customer.emulator.deliveries) == 2)

    assert receiver.bodies[0] == receiver.bodies[1]


@pytest.mark.parametrize("vendor", VENDORS)
def test_callback_comes_before_the_submits_answer(start, receiver, vendor):
    customer = start(speed=1)
    customer.emulator.faults.add("callback-early")
    if vendor == "evolink":
        answer = customer.evolink(callback_url=receiver.url)
    else:
        envelope = {"request_type": "callback", "callback_url": receiver.url}
        answer = customer.wan(envelope=envelope)

    assert len(receiver.bodies) == 1
    told = receiver.bodies[0]
    assert customer.id_of(answer) == told.get("id", (told.get("data") or {}).get("taskId"))


@pytest.mark.parametrize("vendor", VENDORS)
def test_callback_is_forged_while_the_job_runs(customer, receiver, hooked, vendor):
    customer.emulator.faults.add("callback-forged", result="https://evil.example/x.mp4")
    hooked(vendor)
    customer.until(lambda: len(customer.emulator.deliveries) == 2)

    assert [delivery.what for delivery in customer.emulator.deliveries] == ["forged", "genuine"]
    forged, genuine = (body.get("data", body) for body in receiver.bodies)
    assert customer.url_of(forged) == "https://evil.example/x.mp4"
    assert customer.url_of(genuine) != customer.url_of(forged)


def test_callback_can_tell_untrue_things_too(customer, receiver, hooked):
    customer.emulator.faults.add("success-without-url", at="callback")
    hooked("apixo")
    customer.until(lambda: customer.emulator.deliveries)

    assert receiver.bodies[0]["data"]["resultJson"] == '{"resultUrls":[]}'


def test_fault_keeps_to_its_vendor_and_model(customer):
    customer.emulator.faults.add("refuse-500", vendor="evolink")
    customer.emulator.faults.add("refuse-503", model="vidu-q3")

    assert customer.wan().status_code == 200
    assert customer.apixo("vidu-q3", "text-to-video").status_code == 503
    assert customer.evolink().status_code == 500
    assert customer.emulator.faults.pending == ()


def test_other_process_scripts_faults_over_http(customer):
    url = "/_emulator/faults"
    added = customer.http.post(url, json={"name": "throttle", "times": 2, "vendor": "apixo"})

    assert added.json()["does"] == MENU["throttle"].does
    assert customer.wan().status_code == 429
    listed = customer.http.get(url).json()
    assert {entry["name"] for entry in listed["menu"]} == set(MENU)
    assert listed["pending"][0]["times"] == 1
    assert customer.http.delete(url).json()["pending"] == []
    assert customer.wan().status_code == 200


@pytest.mark.parametrize(
    "body", [{}, {"name": "nonsense"}, {"name": "throttle", "at": "callback"}, []]
)
def test_bad_script_over_http_is_400(customer, body):
    assert customer.http.post("/_emulator/faults", json=body).status_code == 400


def test_misspelt_fault_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean drop-after-accept"):
        Faults().add("drop-after-acept")


def test_fault_where_it_can_not_happen_is_refused():
    with pytest.raises(ValueError, match="only at submit, status"):
        Faults().add("drop-after-accept", at="callback")
    with pytest.raises(ValueError, match="only at evolink"):
        Faults().add("job-cancelled", vendor="apixo")


def test_every_entry_says_what_it_does():
    for name, entry in MENU.items():
        assert entry.name == name
        assert entry.does
        assert entry.at
