"""Names that an arm, a class or a file may have, and that mean something to one of the places that show them."""

NASTY = [
    "<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "</td></table><b>x", "<!-- x", "<?php ?>",
    "<a@b.c>", '" onmouseover="alert(1)', "' onload='x", "&lt;b&gt;", "&#60;", "&copy", "a & b", "{{ 7 * 7 }}",
    "{% raw %}", "]]>", "javascript:alert(1)", "<https://example.org>", "https://example.org/x_y",
    "www.example.org", "]]></style><b>", "**x**", "*x*", "__x__", "_x_", "_nolegend_", "_", "a_b", "a__b", "_a",
    "a_", "é_é", "~~x~~", "~x~", "`x`", "``", "|", "a|b", "\\|", "\\", "x\\", "\\\\",
    "[x](javascript:alert(1))", "![x](y)", "[x]: y", "[x]", "<x>", "x<y", "< 1", "# x", "- x", "+ x", "1. x",
    "> x", "---", ":--", "===", "    x", "x  y", "\tx", "x\ny", "x\n\ny", "x\r\ny", "\n", "$x$", "$\\frac{$",
    "$", "$$", "\\$", "50 %", "100%", "\\input{/etc/passwd}", "\\write18{touch x}", "\\end{tabular}", "{", "}",
    "{}", "^^M", "x^2", "x~y", "#1", "--", "---x", "''", "``x''", "!`", "?`", ",,", "<<", "* x", "[1cm] x", "]",
    "& x", "\\\\ x", "%\n", "\"a", "中文", "Ωμέγα", "é", "e\u0301", "ế", "Straße", "\u0338", "1 − 2 ± 3 × 4",
    "a–b—c…", "²³", "\u00a0", "“x”", "😀", "👩\u200d🔬", "שלום", "مرحبا", "[red]x[/red]", "[/]", "[bold",
    "[link=https://example.org]x[/link]", ":smile:", "\\[red]", "\x1b[31mred\x1b[0m",
    "\x1b]8;;https://example.org\x07x\x1b]8;;\x07", "\x1b]0;title\x07", "\x9b31m", "\x07", "\x08\x08", "\x7f",
    "\x00", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\u202e]gnp.exe", "\u2066x\u2069", "\ufeffx",
    "\uffff", "x", "NA", "null", "nan", "None", "true", "1e3", "0x10", "", " ", ",", '"', "a,b\"c", "=1+1",
]  # fmt: skip
