"""How the page looks, in light and dark, wide and narrow, on screen and paper."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #ffffff;
  --band: #f3f5f7; --line: #c9d1d9; --link: #0059b3; --note: #fff4e0; --note-line: #b35900; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #a3adb8; --paper: #14181d;
  --band: #1e242b; --line: #3d4650; --link: #79b8ff; --note: #33270f; --note-line: #e6a23c; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main, header, footer { max-width: 62rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 1.5rem; }
h1, h2, h3 { line-height: 1.25; overflow-wrap: anywhere; }
h1 { font-size: 1.8rem; margin: 0 0 .5rem; }
h2 { font-size: 1.35rem; margin: 2.5rem 0 .75rem; padding-top: .75rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1.08rem; margin: 1.75rem 0 .5rem; }
p, li { max-width: 46rem; overflow-wrap: anywhere; }
a { color: var(--link); }
nav ul { list-style: none; padding: 0; margin: 1rem 0; display: flex; flex-wrap: wrap;
  gap: .25rem 1.25rem; }
.scroll { overflow-x: auto; margin: .75rem 0; }
a:focus-visible, .scroll:focus-visible, pre:focus-visible, summary:focus-visible {
  outline: 2px solid var(--link); outline-offset: 2px; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .25rem 0 .5rem; white-space: nowrap; }
th, td { padding: .3rem .7rem; text-align: right; vertical-align: top; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
thead th { vertical-align: bottom; border-bottom-width: 2px; max-width: 11rem;
  white-space: normal; }
tbody tr:nth-child(even) { background: var(--band); }
tbody th { font-weight: 600; }
.words, .facts th, .facts td { text-align: left; }
td.words, tbody th.words, .facts td { white-space: normal; }
.long { min-width: 7.5rem; }
.facts td { overflow-wrap: anywhere; }
.pair { display: flex; flex-wrap: wrap; gap: 0 2.5rem; }
.pair > * { max-width: 100%; }
figure { margin: 1.25rem 0; }
img { display: block; max-width: 100%; min-width: 34rem; height: auto; background: #ffffff;
  border: 1px solid var(--line); border-radius: 4px; }
figcaption, .soft, footer { color: var(--soft); font-size: .9rem; }
figcaption, .soft { max-width: 46rem; }
.not-made { background: var(--note); border-left: 4px solid var(--note-line);
  padding: .5rem .75rem; }
pre { overflow-x: auto; background: var(--band); padding: .75rem; font-size: .85rem; }
summary { cursor: pointer; }
footer { margin: 3rem auto 2rem; }
@media (max-width: 40rem) { caption, .facts th { white-space: normal; } h1 { font-size: 1.45rem; } }
@media print { .scroll { overflow: visible; } img { min-width: 0; } nav { display: none; } }
"""
