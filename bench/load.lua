-- What wrk has counted, as a line of JSON. Times are in microseconds, as wrk's summary and latency have them.
-- (Only `done` is defined: a function for each request or answer would make wrk itself slow.)
done = function(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\nbench {"requests": %d, "duration": %d, "bytes": %d, "p50": %d, "p99": %d, ' ..
      '"connect": %d, "read": %d, "write": %d, "timeout": %d, "status": %d}\n',
      summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
      errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
