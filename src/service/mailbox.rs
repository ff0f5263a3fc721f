//! Which mailbox an e-mail address leads to, in one form for all its spellings: what quotas and blocks count by.

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

/// Domains under which Gmail delivers to one and the same mailbox, whatever dots the address has in it.
const GMAIL: [&str; 2] = ["gmail.com", "googlemail.com"];

/// The mailbox that an address leads to, as far as can be told from the address: its domain in ASCII (UTS 46),
/// all in lower case, without a `+tag` (RFC 5233), and as Gmail reads it where it is Gmail's.
///
/// This is a key to compare by, never an address to write to: a provider may tell apart what is one here.
#[must_use]
pub fn canonical(email: &str) -> String {
    let Some((user, domain)) = email.trim().rsplit_once('@') else { return email.to_lowercase() };
    let domain = canonical_domain(domain);
    let user = user.to_lowercase();
    // Whoever has nothing before the plus has nothing else to be told apart by.
    let untagged = user.split('+').next().filter(|name| !name.is_empty()).unwrap_or(&user);
    if GMAIL.contains(&domain.as_str()) {
        return format!("{}@{}", untagged.replace('.', ""), GMAIL[0]);
    }
    format!("{untagged}@{domain}")
}

/// A domain in ASCII and lower case, without a trailing dot; as it is, in lower case, where it is none.
#[must_use]
pub fn canonical_domain(domain: &str) -> String {
    let domain = domain.trim().trim_end_matches('.');
    let ascii = Uts46::new().to_ascii(
        domain.as_bytes(),
        AsciiDenyList::EMPTY,
        Hyphens::Allow,
        DnsLength::Ignore,
    );
    match ascii {
        Ok(ascii) => ascii.trim_end_matches('.').to_owned(),
        Err(_) => domain.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_same(spellings: &[&str], expected: &str) {
        for spelling in spellings {
            assert_eq!(canonical(spelling), expected, "{spelling}");
        }
    }

    #[test]
    fn spellings_of_one_mailbox_are_one() {
        check_same(
            &["ada@example.com", "ADA@Example.COM", "ada+news@example.com", "Ada+a+b@example.com."],
            "ada@example.com",
        );
        check_same(
            &["ada.lovelace@gmail.com", "A.d.a.lovelace+1@GoogleMail.com", "adalovelace@gmail.com"],
            "adalovelace@gmail.com",
        );
    }

    #[test]
    fn domains_are_one_in_unicode_and_in_ascii() {
        check_same(
            &[
                "ada@bücher.example",
                "ada@BÜCHER.example",
                "ada@bu\u{308}cher.example",
                "ada@xn--bcher-kva.example",
                "ada@XN--BCHER-KVA.example",
                "ada@bücher。example",
            ],
            "ada@xn--bcher-kva.example",
        );
        check_same(&["ada@gmail.com", "ada@ｇｍａｉｌ.com"], "ada@gmail.com");
    }

    #[test]
    fn mailboxes_of_others_stay_apart() {
        assert_eq!(canonical("ada.lovelace@example.com"), "ada.lovelace@example.com");
        assert_eq!(canonical("+1@example.com"), "+1@example.com");
        assert_eq!(canonical("+2@example.com"), "+2@example.com");
        assert_eq!(canonical("ada@mail.gmail.com"), "ada@mail.gmail.com");
        assert_eq!(canonical("a_b@not_a_host.example"), "a_b@not_a_host.example");
        assert_eq!(canonical("nonsense"), "nonsense");
    }
}
