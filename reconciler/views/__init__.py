"""Values become text: one outline, several formats. Pure; nothing here can see a secret.

    outline, ending   what people are told about a plan and about a result; every word, once
    drift_outline     the same about drift; announcement: what channels are told of it
    words, escape     the fixed words; foreign text made harmless
    terminal          `plan`, `result`, `drift` for terminals (lines: page)
    markdown          `plan`, `result`, `drift` for comments and job summaries (inert text:
                      inert, length: budget)
    html              `plan`, `result`, `drift` as one self-contained page (frame: html_page)
    json              `plan`, `result`, `drift`, `error` as one document
    list_view         what is in the API now: text, YAML, JSON
    problems          diagnostics: text, JSON, annotations, SARIF
    progress          a run while it happens

A view takes values and gives a string. Import the module and qualify: `markdown.plan(plan, …)`.
"""
