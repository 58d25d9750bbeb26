"""The log of requests holds those of users and jobs, in order."""

from __future__ import annotations

from tests.sagemaker_emulator.stub_jobs import until


def test_requests_of_jobs_are_logged_and_those_of_the_emulator_are_not(lab):
    before = len(lab.emulator.requests("GetObject"))
    name = lab.start(lab.request())
    lab.finished(name)
    found = lab.emulator.requests("GetObject")[before:]
    assert [each["parameters"]["Key"] for each in found] == ["code/source.tar.gz"]
    assert not lab.emulator.requests("PutLogEvents")


def test_requests_are_logged_in_order(lab):
    lab.sagemaker.list_models(NameContains="first")
    lab.sagemaker.list_models(NameContains="second")
    seen = until(lambda: lab.emulator.requests("ListModels")[-2:], "no request was logged")
    assert [each["parameters"] for each in seen] == [{"NameContains": "first"}, {"NameContains": "second"}]
    assert {each["region"] for each in seen} == {"eu-west-1"}
