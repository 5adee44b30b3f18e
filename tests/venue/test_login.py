"""Auth: keys, tokens, their lives and ends."""

from __future__ import annotations

import base64
import json

import pytest

AGREE = "Please log into the ProjectX platform and complete the required agreements"


def claims(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def works(one, token):
    headers = {"Authorization": f"Bearer {token}"}
    return one.post("Account/search", {"onlyActiveAccounts": True}, **headers).status == 200


def test_a_login_answers_a_token_and_the_envelope(stranger):
    reply = stranger.login()
    assert reply.status == 200
    assert reply.body.keys() == {"token", "success", "errorCode", "errorMessage"}
    assert reply.code == (True, 0, None)


def test_the_token_is_a_jwt_of_three_parts_with_iat_and_exp(stranger):
    token = stranger.login().body["token"]
    assert len(token.split(".")) == 3
    assert claims(token)["exp"] - claims(token)["iat"] == 86_400
    head = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    assert head["typ"] == "JWT"


def test_a_wrong_key_is_200_with_code_3_and_no_message(stranger):
    reply = stranger.login(key="wrong")
    assert reply.status == 200
    assert reply.body == {"token": None, "success": False, "errorCode": 3, "errorMessage": None}


def test_an_empty_key_is_code_3(stranger):
    assert stranger.login(key="").code == (False, 3, None)


def test_an_empty_user_is_code_3(stranger):
    assert stranger.login(user="").code == (False, 3, None)


def test_unsigned_agreements_are_code_7_with_the_venue_s_text(stranger):
    assert stranger.login(key="unsigned").code == (False, 7, AGREE)


def test_a_missing_subscription_is_code_9(stranger):
    assert stranger.login(key="unsubscribed").code == (False, 9, None)


def test_a_disabled_key_is_code_10(stranger):
    assert stranger.login(key="disabled").code == (False, 10, None)


@pytest.mark.parametrize("missing", ["userName", "apiKey"])
def test_a_login_without_a_member_is_400_before_any_check(stranger, missing):
    body = {"userName": "u", "apiKey": "wrong"}
    del body[missing]
    reply = stranger.post("Auth/loginKey", body)
    assert reply.status == 400
    assert missing in reply.body["errors"]


def test_member_names_of_a_login_match_in_any_case(stranger):
    reply = stranger.post("auth/loginkey", {"username": "u", "APIKEY": "k"})
    assert reply.body["success"]


def test_a_login_needs_no_token_and_minds_none(stranger):
    reply = stranger.post(
        "Auth/loginKey", {"userName": "u", "apiKey": "k"}, Authorization="Bearer stale"
    )
    assert reply.body["success"]


def test_the_withdrawn_app_login_is_refused(stranger):
    body = dict.fromkeys(("userName", "password", "deviceId", "appId", "verifyKey"), "x")
    reply = stranger.post("Auth/loginApp", body)
    assert (reply.status, reply.body["token"], reply.code[:2]) == (200, None, (False, 4))


def test_the_app_login_demands_its_members(stranger):
    reply = stranger.post("Auth/loginApp", {"userName": "x"})
    assert reply.status == 400
    assert {"password", "deviceId", "appId", "verifyKey"} <= reply.body["errors"].keys()


def test_a_second_login_does_not_end_the_first(trader):
    first = trader.token
    trader.login()
    assert trader.token != first
    assert works(trader, first)
    assert works(trader, trader.token)


def test_validate_gives_a_token_that_works_and_keeps_the_old_one(trader):
    reply = trader.post("Auth/validate", {})
    assert reply.body.keys() == {"newToken", "success", "errorCode", "errorMessage"}
    assert works(trader, reply.body["newToken"])
    assert works(trader, trader.token)


def test_validate_takes_no_body_at_all(trader):
    reply = trader.send("POST", "/api/Auth/validate", None, trader.headers())
    assert reply.body["success"]


def test_validate_takes_no_body_with_a_content_type(trader):
    assert trader.post("Auth/validate").body["success"]


def test_validate_without_a_token_is_401(stranger):
    assert stranger.post("Auth/validate", {}).status == 401


def test_logout_ends_that_token_only(trader):
    first = trader.token
    trader.login()
    assert trader.post("Auth/logout", {}).code == (True, 0, None)
    assert not works(trader, trader.token)
    assert works(trader, first)


def test_a_logged_out_token_cannot_be_validated(trader):
    trader.post("Auth/logout")
    assert trader.post("Auth/validate").status == 401


def test_no_token_is_401_with_the_bare_scheme(stranger):
    reply = stranger.post("Account/search", {"onlyActiveAccounts": True})
    assert (reply.status, reply.body) == (401, "")
    assert reply.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("told", ["Bearer x.y.z", "Bearer ", "Bearer", "Basic dTpr", "bearer x"])
def test_a_bad_token_is_401_and_told_so(stranger, told):
    reply = stranger.post("Account/search", {}, Authorization=told)
    assert reply.status == 401
    assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]


def test_a_token_signed_by_nobody_is_401(trader):
    head, _, tail = trader.token.rpartition(".")
    forged = head + "." + tail[::-1]
    assert not works(trader, forged)


def test_the_scheme_of_the_header_matches_in_any_case(trader):
    reply = trader.post("Account/search", {}, Authorization=f"bearer {trader.token}")
    assert reply.status == 200


def test_rest_takes_no_token_from_the_query(trader):
    path = f"/api/Account/search?access_token={trader.token}"
    reply = trader.send("POST", path, "{}", {"Content-Type": "application/json"})
    assert reply.status == 401


def test_authentication_comes_before_the_body_is_looked_at(stranger):
    assert stranger.post("Order/place", {"size": "rubbish"}).status == 401
