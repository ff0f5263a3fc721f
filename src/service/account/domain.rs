//! Which domains are a company's, in one form for each.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::LazyLock;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use crate::store::booking::{Company, Person};

/// Domains at which anybody gets a mailbox, a line each: well known, and never all of them.
const FREE_MAIL: &str = include_str!("free_mail.txt");

static FREE_MAIL_DOMAINS: LazyLock<HashSet<&str>> = LazyLock::new(|| FREE_MAIL.lines().collect());

/// Why a text names no company's domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCompany {
    /// It can't be a domain at all.
    #[error("must be a host name, e.g. example.com")]
    NotAHostName,
    /// It is a machine's address.
    #[error("must be a host name, e.g. example.com, not an IP address")]
    Address,
    /// Whoever likes registers names under it.
    #[error(
        "must be a company's own domain, not a public suffix, under which anybody can have one"
    )]
    PublicSuffix,
    /// Whoever likes has a mailbox there.
    #[error("must be a company's own domain, not one of a mail service for everybody")]
    FreeMail,
}

/// The company's domain that `text` names, in the one form in which domains are kept and compared:
/// ASCII (UTS 46, nontransitional), lower case, without a trailing dot. A leading `www.` is taken
/// off: it names the company's website, and no mail comes from there.
///
/// # Errors
/// Where it is not a company's.
pub fn company(text: &str) -> Result<String, NoCompany> {
    let domain = normalised(text)?;
    let registered = psl::domain_str(&domain).ok_or(NoCompany::PublicSuffix)?;
    if lineage(&domain, registered).any(|domain| FREE_MAIL_DOMAINS.contains(domain)) {
        return Err(NoCompany::FreeMail);
    }
    match domain.strip_prefix("www.") {
        Some(bare) if registered.len() <= bare.len() => Ok(bare.to_owned()),
        _ => Ok(domain),
    }
}

/// The domain of a visitor's company: the one that they gave, or else the one of their e-mail
/// address. None where neither is a company's.
pub fn of_visitor(person: Option<&Person>, company: Option<&Company>) -> Option<String> {
    let given = company.and_then(|company| self::company(company.domain.as_deref()?).ok());
    given.or_else(|| {
        let (_, domain) = person?.email.rsplit_once('@')?;
        self::company(domain).ok()
    })
}

/// A company's domain and those above it that are its own, the longest first.
pub fn candidates(domain: &str) -> Vec<&str> {
    match psl::domain_str(domain) {
        Some(registered) => lineage(domain, registered).collect(),
        None => Vec::new(),
    }
}

/// `domain` and its parents, down to `registered`, with which it ends.
fn lineage<'a>(domain: &'a str, registered: &str) -> impl Iterator<Item = &'a str> {
    let shortest = registered.len();
    let parent = |domain: &&'a str| domain.split_once('.').map(|(_, parent)| parent);
    std::iter::successors(Some(domain), parent).take_while(move |domain| shortest <= domain.len())
}

fn normalised(text: &str) -> Result<String, NoCompany> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<IpAddr>().is_ok() {
        return Err(NoCompany::Address);
    }
    let ascii = Uts46::new().to_ascii(
        text.as_bytes(),
        AsciiDenyList::STD3,
        Hyphens::CheckFirstLast,
        DnsLength::VerifyAllowRootDot,
    );
    let ascii = ascii.map_err(|_| NoCompany::NotAHostName)?;
    let domain = ascii.strip_suffix('.').unwrap_or(&ascii);
    let (_, last) = domain.rsplit_once('.').unwrap_or(("", domain));
    if last.starts_with(|c: char| c.is_ascii_digit()) {
        // No top-level domain begins with a digit, and what ends in a number is read as an address
        // (WHATWG URL, "ends in a number checker").
        return Err(NoCompany::Address);
    }
    if !domain.contains('.') {
        // Known suffixes are told by their own words.
        let known = psl::suffix(domain.as_bytes()).is_some_and(|suffix| suffix.is_known());
        return Err(if known { NoCompany::PublicSuffix } else { NoCompany::NotAHostName });
    }
    Ok(domain.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, NoCompany>) {
        assert_eq!(company(text).as_deref().map_err(|error| *error), expected, "{text:?}");
    }

    #[test]
    fn a_company_has_one_form_for_each_domain() {
        check("acme.com", Ok("acme.com"));
        check(" ACME.com. ", Ok("acme.com"));
        check("eu.acme.co.uk", Ok("eu.acme.co.uk"));
        check("bücher.de", Ok("xn--bcher-kva.de"));
        check("BÜCHER.DE", Ok("xn--bcher-kva.de"));
        check("bu\u{308}cher.de", Ok("xn--bcher-kva.de"));
        check("xn--bcher-kva.de", Ok("xn--bcher-kva.de"));
        check("食狮。公司.cn", Ok("xn--85x722f.xn--55qx5d.cn"));
        // Nontransitional: ß is a letter of its own.
        check("straße.de", Ok("xn--strae-oqa.de"));
        check("ａｃｍｅ．com", Ok("acme.com"));
        check("r3---sn.acme.com", Ok("r3---sn.acme.com"));
        check("www.acme.com", Ok("acme.com"));
        check("www.eu.acme.com", Ok("eu.acme.com"));
        check("www.com", Ok("www.com"));
        check("shop.myshopify.com", Ok("shop.myshopify.com"));
        check("visitors.example", Ok("visitors.example"));
    }

    #[test]
    fn what_is_no_company_is_told_apart() {
        use NoCompany::{Address, FreeMail, NotAHostName, PublicSuffix};
        for text in ["", ".", "a..com", "-acme.com", "acme-.com", "ac me.com", "ac_me.com"] {
            check(text, Err(NotAHostName));
        }
        let long = format!("{}.com", "a".repeat(64));
        let too_long = format!("{}com", "a23456789.".repeat(26));
        for text in ["https://acme.com", "acme.com/", "ada@acme.com", "acme.com:80", "localhost"] {
            check(text, Err(NotAHostName));
        }
        check(&long, Err(NotAHostName));
        check(&too_long, Err(NotAHostName));
        check("xn--a.com", Err(NotAHostName));
        for text in ["127.0.0.1", "::1", "[::1]", "0x7f.1", "1.2.3.4.", "acme.123", "１２７.0.0.1"]
        {
            check(text, Err(Address));
        }
        for text in ["com", "co.uk", "github.io", "公司.cn", "xn--55qx5d.cn", "foo.ck"] {
            check(text, Err(PublicSuffix));
        }
        for text in ["gmail.com", "GMAIL.COM.", "mail.yahoo.co.jp", "qq.com", "www.gmx.de"] {
            check(text, Err(FreeMail));
        }
    }

    #[test]
    fn parents_are_looked_at_up_to_the_registered_domain() {
        assert_eq!(candidates("acme.com"), ["acme.com"]);
        assert_eq!(
            candidates("a.eu.acme.co.uk"),
            ["a.eu.acme.co.uk", "eu.acme.co.uk", "acme.co.uk"]
        );
        assert_eq!(candidates("pages.acme.github.io"), ["pages.acme.github.io", "acme.github.io"]);
        assert!(candidates("co.uk").is_empty());
    }

    #[track_caller]
    fn check_visitor(email: Option<&str>, domain: Option<&str>, expected: Option<&str>) {
        let person = email.map(|email| Person { email: email.to_owned(), ..Person::default() });
        let domain = domain.map(ToOwned::to_owned);
        let company = Company { domain, ..Company::default() };
        assert_eq!(of_visitor(person.as_ref(), Some(&company)).as_deref(), expected);
    }

    #[test]
    fn the_company_comes_before_the_mailbox() {
        check_visitor(Some("ada@acme.com"), None, Some("acme.com"));
        check_visitor(Some("ada@ACME.com"), Some("Umbrella.example"), Some("umbrella.example"));
        check_visitor(Some("ada@acme.com"), Some("gmail.com"), Some("acme.com"));
        check_visitor(Some("ada@acme.com"), Some(""), Some("acme.com"));
        check_visitor(Some("ada@gmail.com"), None, None);
        check_visitor(Some("ada@gmail.com"), Some("acme.com"), Some("acme.com"));
        check_visitor(None, Some("acme.com"), Some("acme.com"));
        check_visitor(None, None, None);
    }

    #[test]
    fn the_list_of_mail_services_is_sorted_and_normalised() {
        let lines: Vec<&str> = FREE_MAIL.lines().collect();
        assert!(300 < lines.len());
        for pair in lines.windows(2) {
            assert!(pair[0] < pair[1], "{} before {}", pair[0], pair[1]);
        }
        for line in lines {
            assert_eq!(normalised(line).as_deref(), Ok(line));
            assert!(psl::domain_str(line).is_some(), "{line} is a public suffix");
        }
    }

    proptest! {
        #[test]
        fn a_normal_form_is_its_own(text in "[a-zA-Z0-9äßñ中。.-]{1,40}(\\.[a-z]{2,6})?\\.?") {
            if let Ok(domain) = company(&text) {
                let again = company(&domain);
                // Only `www.www.acme.com` loses more.
                prop_assert!(again == Ok(domain.clone()) || domain.starts_with("www."));
                prop_assert!(domain.bytes().all(|b| b"abcdefghijklmnopqrstuvwxyz0123456789-.".contains(&b)));
                prop_assert!(domain.len() <= 253 && domain.contains('.'));
            }
        }

        #[test]
        fn every_subdomain_leads_to_its_parent(sub in "[a-z0-9]{1,8}(\\.[a-z0-9]{1,8}){0,3}") {
            for parent in ["acme.com", "acme.co.uk", "xn--bcher-kva.de"] {
                let domain = format!("{sub}.{parent}");
                let all = candidates(&domain);
                prop_assert_eq!(all.first().copied(), Some(domain.as_str()));
                prop_assert_eq!(all.last().copied(), Some(parent));
                prop_assert_eq!(all.len(), domain.matches('.').count() - parent.matches('.').count() + 1);
                prop_assert!(all.windows(2).all(|pair| pair[1].len() < pair[0].len()));
            }
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,60}") {
            let _ = company(&text);
        }
    }
}
