-- For wrk: POSTs the file BODY with HEADERS, a `name: value` per line, and prints what it counted as a line of JSON.
local file = assert(io.open(os.getenv("BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()
for name, value in os.getenv("HEADERS"):gmatch("([^:\n]+): ([^\n]*)") do
  wrk.headers[name] = value
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  local line = '{"requests": %d, "per_second": %.3f, "p50": %.4f, "p99": %.4f, "failed": %d}\n'
  io.write(line:format(summary.requests, summary.requests * 1e6 / summary.duration,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, failed))
end
