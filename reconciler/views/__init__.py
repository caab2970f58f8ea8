"""Rendering of values as text: one outline for each kind of document, several formats. Pure.

    plan_outline, result_outline, drift_outline
                      every sentence about a plan, a result and drift, once for all formats;
                      their parts: sections
    phrases           the fixed phrases
    escape            foreign text made harmless
    renderers         the table of renderers by kind and format; they take render_options
    terminal          `plan`, `result`, `drift` for terminals (lines: text_layout)
    markdown          the same for comments and job summaries (length: length_budget)
    html              the same as one self-contained page (templates, report.css, palette.css)
    templating        templates that escape every value; the page of `serve` has its own
    json              any value as one document; output_schema: the schemas of these documents
    diagnostics       problems as text, JSON, annotations, SARIF
    listings          `list` and `get`
    reports           `doctor` and `history`; run_details: one run, one integration
    changed_files     `pull` and `undo --edit-files`
    field_reference   `explain`, and the generated reference of fields
    progress          a run while it happens
    notification      messages to channels
    metrics           Prometheus text of a run

A view takes values and returns a string; it never sees a secret. Import the module and qualify:
`markdown.plan(plan, options)`.
"""
