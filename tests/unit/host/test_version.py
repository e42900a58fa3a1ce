"""Versions of distributions whose uname does not tell them."""

from purebpf.host.version import exact_release, running_version


def test_a_plain_release_is_the_version():
    assert exact_release("6.18.44-fc-v445", "#1 SMP PREEMPT_DYNAMIC @0") == "6.18.44-fc-v445"


def test_debian_says_the_version_in_its_build_text():
    build = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.148-1 (2025-08-26)"
    assert exact_release("6.1.0-39-cloud-amd64", build) == "6.1.148"


def test_a_debian_build_text_without_a_version_changes_nothing():
    assert exact_release("6.16.3+deb14-amd64", "#1 SMP Debian kernel") == "6.16.3+deb14-amd64"


def test_ubuntu_says_the_version_in_its_signature():
    assert (
        exact_release("5.15.0-91-generic", "#101-Ubuntu SMP", "Ubuntu 5.15.0-91.101-generic 5.15.131\n") == "5.15.131"
    )


def test_a_signature_of_another_form_changes_nothing():
    assert exact_release("5.15.0-91-generic", "", "Ubuntu whatever") == "5.15.0-91-generic"


def test_the_running_kernel_has_a_version():
    assert running_version() >= 0x040000
