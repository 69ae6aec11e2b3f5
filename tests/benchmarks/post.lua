-- A small chat completion for wrk, and its result as one line of JSON.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer bench"
wrk.body = '{"model":"mock","messages":[{"role":"system","content":"Answer in two sentences and name your sources."},'
  .. '{"role":"user","content":"How does a reverse proxy pass an answer on to its caller, and what may it change on the way?"}],'
  .. '"temperature":0.7,"max_tokens":256,"stream":false}'

function done(summary, latency, requests)
  local e = summary.errors
  print(string.format('RESULT {"requests":%d,"duration_us":%d,"failed":%d,"p50":%.1f,"p99":%.1f}',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
