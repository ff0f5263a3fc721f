use proptest::prelude::*;

use super::*;

fn file(text: &str) -> File {
    read(text.as_bytes().to_vec()).unwrap()
}

/// Problems as `line field message`, a line each.
fn told_of(text: &str) -> String {
    let line = |problem: &super::super::Problem| {
        let field = problem.field.unwrap_or("-");
        format!("{} {field} {}", problem.line, problem.message)
    };
    let file = file(text);
    assert_eq!(file.problems.count, file.problems.first.len());
    file.problems.first.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(told_of(text), expected, "{text:?}");
}

#[test]
fn a_file_is_read() {
    let text = "Owner,notes,NAME , domains\r\n\
        Grace@Agents.example,=1+1,Acme,\"acme.com, ACME.de; www.acme.fr\"\r\n\
        \r\n , ,,\r\n\
        grace@agents.example,,\" Big \"\"B\"\" \",bücher.de  a.example\r\n\
        grace@agents.example,,None,\r\n";
    let File { rows, problems } = file(text);
    assert_eq!(problems.count, 0, "{problems:?}");
    let row = |line, name: &str, domains: &[&str]| Row {
        line,
        name: name.to_owned(),
        key: name.to_lowercase(),
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        owner: "grace@agents.example".to_owned(),
        is_sound: true,
    };
    let expected = [
        row(2, "Acme", &["acme.com", "acme.de", "acme.fr"]),
        row(5, "Big \"B\"", &["xn--bcher-kva.de", "a.example"]),
        row(6, "None", &[]),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn the_header_must_name_the_columns() {
    check("", "1 - the first line must name the columns name, domains and owner");
    check("\n\n", "1 - the first line must name the columns name, domains and owner");
    check("name;domains;owner\n", "1 - columns must be separated by commas");
    check("\nname,owner\n", "2 domains there is no column domains");
    check("name,owner,domains,Name\n", "1 name there are two columns name");
    check(
        "Acme,acme.com,grace@agents.example\n",
        "1 name there is no column name\n\
        1 domains there is no column domains\n1 owner there is no column owner",
    );
}

#[test]
fn each_line_is_told_by_its_number_in_the_file() {
    let head = "name,domains,owner\r\n";
    let good = "g@a.example";
    check(
        &format!("{head}\r\n\r\nA,gmail.com,{good}"),
        "4 domains gmail.com must be a company's \
        own domain, not one of a mail service for everybody",
    );
    check(
        &format!("{head}\"A,\r\n\r\nB\",,{good}\r\n,,{good}\r\n"),
        "2 name name must not have the \
        invisible character U+000D\n5 name name must not be empty",
    );
    check(
        &format!("name,domains,owner\r\rA,,\rB,co.uk,{good}\r"),
        "3 owner owner must not be empty\n\
        4 domains co.uk must be a company's own domain, not a public suffix, under which anybody can \
        have one",
    );
    check(
        &format!("{head}A,,{good},\r\nB,,{good}\r\nC,\r\n"),
        "2 - there must be 3 cells as in the \
        header, not 4\n4 - there must be 3 cells as in the header, not 2",
    );
    let quotes = "a quotation mark has no other: a cell with one in it must stand between quotation \
        marks, and have it twice";
    check(
        &format!("{head}12\" Pizza,,{good}\r\nB,,{good}\r\nC,\"c.example,{good}\r\n"),
        &format!("2 - {quotes}\n4 - {quotes}"),
    );
    check(
        &format!("{head}A,https://acme.com 10.0.0.1,nobody"),
        "2 domains https://acme.com must be a \
        host name, e.g. example.com\n2 domains 10.0.0.1 must be a host name, e.g. example.com, not an \
        IP address\n2 owner owner must be an e-mail address, e.g. ada@example.com",
    );
}

#[test]
fn what_stands_twice_is_told_with_where_it_stood() {
    let text = "name,domains,owner\nA,a.example,g@a.example\nB,b.example A.example.,g@a.example\n\
        a,b.example b.example,g@a.example\n";
    check(
        text,
        "3 domains a.example stands on line 2 already\n4 name a stands on line 2 already\n\
        4 domains b.example stands on line 3 already\n4 domains b.example stands on line 3 already",
    );
}

#[test]
fn formulas_are_refused() {
    for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\tA", " =1", "\"=1,2\"", "＝1"] {
        let told = told_of(&format!("name,domains,owner\n{cell},,g@a.example\n"));
        assert!(told.starts_with("2 name name must not begin with ="), "{cell:?}: {told}");
        let told = told_of(&format!("name,domains,owner\nA,{cell},g@a.example\n"));
        assert!(told.starts_with("2 domains domains must not begin with ="), "{cell:?}: {told}");
        let told = told_of(&format!("name,domains,owner\nA,,{cell}\n"));
        assert!(told.starts_with("2 owner owner must not begin with ="), "{cell:?}: {told}");
    }
}

#[test]
fn an_account_has_a_hundred_domains_at_most() {
    let domains: Vec<String> = (0..101).map(|number| format!("d{number}.example")).collect();
    let text = |count: usize| {
        format!("name,domains,owner\nA,{},g@a.example\n", domains[..count].join(" "))
    };
    assert_eq!(file(&text(100)).rows[0].domains.len(), 100);
    check(&text(101), "2 domains at most 100 domains, not 101");
}

#[test]
fn problems_are_counted_past_those_that_are_told() {
    let text = format!("name,domains,owner\n{}", "A,,\n".repeat(2000));
    let File { rows, problems } = file(&text);
    // The owner of each, and the name of all but the first.
    assert_eq!((rows.len(), problems.count, problems.first.len()), (2000, 3999, 1000));
    assert_eq!(problems.first[999].line, 502);
}

proptest! {
    #[test]
    fn lines_are_counted_as_they_stand(
        cells in prop::collection::vec(("[ab\\n\\r,]{0,5}", "\\PC{0,3}", 0_usize..3), 1..20),
        end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
    ) {
        let mut text = format!("name,domains,owner{end}");
        let mut expected = Vec::new();
        for (cell, other, blanks) in cells {
            text.push_str(&end.repeat(blanks));
            // A naive oracle: what was written so far, with each kind of end made one.
            let lines = text.replace("\r\n", "\n").replace('\r', "\n").matches('\n').count();
            expected.push(1 + lines);
            let other = other.replace('"', "\"\"");
            text.push_str(&format!("\"x{cell}\",\"{other}\",z{end}"));
        }
        let lines: Vec<usize> = file(&text).rows.iter().map(|row| row.line).collect();
        prop_assert_eq!(lines, expected);
    }

    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(bytes.clone());
        let mut file = b"name,domains,owner\n".to_vec();
        file.extend(bytes);
        let _ = read(file);
    }
}
