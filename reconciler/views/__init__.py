"""Values become text: one outline, several formats. Pure; nothing here can see a secret.

    outline, ending   what people are told about a plan and about a result; every word, once
    words, escape     the fixed words; foreign text made harmless
    terminal          `plan`, `result` for terminals (lines: page)
    markdown          `plan`, `result` for comments and job summaries (inert text: inert, length:
                      budget)
    html              `plan`, `result` as one self-contained page (frame: html_page)
    json              `plan`, `result`, `error` as one document
    list_view         what is in the API now: text, YAML, JSON
    problems          diagnostics: text, JSON, annotations, SARIF
    progress          a run while it happens

A view takes values and gives a string. Import the module and qualify: `markdown.plan(plan, …)`.
"""
