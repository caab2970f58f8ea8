"""The page's style sheet: dark and light, nothing loaded from elsewhere."""

from typing import Final

from reconciler.views.html import palette

STYLE: Final = (
    palette()
    + """body { margin: 0; background: var(--ground); color: var(--text); overflow-wrap: anywhere;
  font: 1rem/1.5 system-ui, sans-serif; }
header, main { max-width: 76rem; margin: 0 auto; padding: 0 1.5rem; }
header { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: baseline;
  padding-top: 1rem; padding-bottom: .75rem; }
header .brand { font-weight: 700; font-size: 1.125rem; color: inherit; text-decoration: none; }
header nav { display: flex; gap: 1rem; }
header nav a[aria-current] { color: inherit; font-weight: 600; text-decoration: none;
  box-shadow: 0 .2rem 0 -.05rem var(--link); }
header form { margin-left: auto; }
.rule { border: 0; border-top: 1px solid var(--line); margin: 0; }
main { padding-top: 1.25rem; padding-bottom: 3rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0; }
h2 { font-size: 1.125rem; margin: 2rem 0 .5rem; }
p { margin: .4rem 0; }
a { color: var(--link); }
code { font: .875em/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
.faint { color: var(--faint); }
.counts { display: flex; flex-wrap: wrap; gap: .75rem; padding: 0; margin: 1rem 0;
  list-style: none; }
.counts a { display: block; min-width: 8rem; padding: .5rem .8rem; border: 1px solid var(--line);
  border-radius: .5rem; text-decoration: none; color: inherit; background: var(--panel); }
.counts a[aria-current] { border-color: var(--link); box-shadow: inset 0 0 0 1px var(--link); }
.counts b { display: block; font-size: 1.375rem; font-variant-numeric: tabular-nums;
  line-height: 1.2; }
.search { display: flex; flex-wrap: wrap; gap: .75rem 1rem; align-items: end; margin: 1rem 0; }
.search label { display: grid; gap: .2rem; font-size: .875rem; color: var(--faint); }
input, select, button { font: inherit; color: inherit; background: var(--ground);
  border: 1px solid var(--line); border-radius: .4rem; padding: .35rem .6rem; min-height: 2.25rem; }
input[type=search] { width: 20rem; max-width: 100%; }
button { cursor: pointer; background: var(--panel); }
button.main { background: var(--link); border-color: var(--link); color: var(--ground);
  font-weight: 600; }
button.plain { border: 0; background: none; color: var(--link); padding: 0; min-height: 0;
  text-decoration: underline; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: .5rem; background: var(--ground); padding: .25rem .5rem; }
.wide { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: .5rem .6rem;
  border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--faint); font-weight: 400; font-size: .875rem;
  white-space: nowrap; }
tbody th { font-weight: 600; min-width: 11rem; }
tbody th small { display: block; font-weight: 400; color: var(--faint); }
tbody tr:hover { background: var(--panel); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
time, .status { white-space: nowrap; }
.mark { display: inline-flex; gap: .35rem; align-items: baseline; white-space: nowrap;
  border: 1px solid currentcolor; border-radius: 1rem; padding: 0 .6rem; font-size: .875rem; }
.in-sync { color: var(--green); } .differs { color: var(--amber); }
.undeclared-access, .undeclared-host { color: var(--amber); }
.missing { color: var(--violet); }
.to-be-removed, .failed, .unknown { color: var(--red); }
.not-in-Git, .not-compared, .skipped { color: var(--faint); }
.applied { color: var(--green); }
.note { border-left: .25rem solid var(--amber); background: var(--panel); padding: .5rem 1rem;
  margin: 1rem 0; }
.note.error { border-color: var(--red); }
.sides { table-layout: fixed; } .sides th:first-child { width: 28%; font-weight: 400; }
.sides thead th:last-child { width: 8.5rem; }
.sides .was { background: var(--was); } .sides .is { background: var(--is); }
.timeline { list-style: none; padding: 0; margin: 1rem 0 0; }
.timeline li p:first-child { margin-top: 0; }
.timeline li { position: relative; padding: 0 0 1.5rem 1.75rem; border-left: 2px solid var(--line);
  margin-left: .5rem; }
.timeline > li::before { content: ""; position: absolute; left: -.45rem; top: .4rem; width: .75rem;
  height: .75rem; border-radius: 50%; background: var(--green); }
.timeline > li.bad::before { background: var(--red); border-radius: 0; transform: rotate(45deg); }
.timeline > li.open::before { background: var(--ground); border: 2px solid var(--amber); }
.timeline li li { border: 0; padding: .1rem 0; margin: 0; }
.timeline ul { padding: 0; list-style: none; }
.login { max-width: 24rem; margin: 12vh auto 0; }
.login form { display: grid; gap: .75rem; margin-top: 1rem; }
.login label { display: grid; gap: .25rem; }
@media (max-width: 44rem) {
  header, main { padding-left: 1rem; padding-right: 1rem; }
  .sides thead { display: none; }
  .sides, .sides tbody, .sides tr, .sides th, .sides td { display: block; width: auto; }
  .sides th:first-child { width: auto; padding-bottom: 0; }
  .sides td { border: 0; padding-top: 0; }
  .sides td::before { content: attr(data-label) ": "; color: var(--faint); font-size: .8125rem; }
}
"""
)
"""What `/page.css` serves."""
