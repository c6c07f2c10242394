-- uses: window
-- Puts saved buckets into a window, each as the greater of what is saved and what is there.
--
-- KEYS  window
-- ARGV  now (Unix s), seconds of the window, then for each bucket: start (Unix s), amount
local now = tonumber(ARGV[1])
local w = open_window(KEYS[1], tonumber(ARGV[2]), now)
for at = 3, #ARGV, 2 do
  local bucket = math.min(math.floor(ARGV[at] / w.width), w.current)
  local amount = tonumber(ARGV[at + 1])
  local here = tonumber(redis.call('HGET', w.key, bucket)) or 0
  if amount > here and bucket > w.current - w.length then
    w.total = w.total + amount - here
    w.oldest = math.min(w.oldest or bucket, bucket)
    w.latest = math.max(w.latest or bucket, bucket)
    redis.call(
      'HSET', w.key, bucket, amount, 't', w.total, 'o', w.oldest, 'l', w.latest
    )
  end
end
return w.total
