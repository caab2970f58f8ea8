"""Reports on GitLab, and the plan that was approved there by merging.

    publish        a report: the note on a merge request or the drift issue; read this first
    job            the CI job that reports: project, token, merge request, pipeline
    approved_plan  the plan of the merge request that was merged with a commit
    counts         counts for the merge request, as a report of Terraform has them
    client         the REST API and its errors

The documents, their text and the requests are those of `reconciler.github`.
"""
