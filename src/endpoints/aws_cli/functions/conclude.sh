# wait_for_endpoints: waits until no endpoint of the VPC is pending, or the time is over.
wait_for_endpoints() {
  local deadline=$((SECONDS + timeout)) pending before='' id state
  while true; do
    endpoints=$(list_endpoints)
    pending=''
    while read -r id state _; do
      if [[ $state == [Pp]ending ]]; then
        pending+=" $id"
      fi
    done <<<"$endpoints"
    if [ -z "$pending" ]; then
      return
    elif [ "$SECONDS" -ge "$deadline" ]; then
      printf 'still pending after %s seconds:%s\n' "$timeout" "$pending" >&2
      return
    elif [ "$pending" != "$before" ]; then
      printf 'waiting for%s: EC2 takes one to three minutes\n' "$pending" >&2
    fi
    before=$pending
    sleep 5
  done
}

# check_endpoints: prints the expected endpoints that are not available, and what to do.
check_endpoints() {
  local id name other state of_other
  while read -r id name; do
    if [ -z "$id" ]; then
      continue
    fi
    state=''
    while read -r other of_other _; do
      if [ "$other" = "$id" ]; then
        state=$of_other
      fi
    done <<<"$endpoints"
    case $state in
      [Aa]vailable) ;;
      [Pp]ending[Aa]cceptance)
        failed "endpoint $name ($id) is pendingAcceptance: the owner of its service has to accept it; ask Cast AI to \
accept $id of account ${account:-of the VPC}, and run this script again"
        ;;
      [Pp]ending)
        failed "endpoint $name ($id) is still pending: run this script again to wait longer"
        ;;
      '')
        failed "EC2 does not list endpoint $name ($id): run this script again, and print it again if that does not help"
        ;;
      *)
        failed "endpoint $name ($id) is $state, and will not become available: \`kubectl castai-privatelink endpoints \
plan\` says what to do"
        ;;
    esac
  done <<<"$expected"
}

# conclude: prints how the script ended, and ends it.
conclude() {
  local made
  case $changes in
    0) made='no change made' ;;
    1) made='1 change made' ;;
    *) made="$changes changes made" ;;
  esac
  if [ "$failures" -gt 0 ]; then
    printf 'incomplete: %s, see the errors above; run again when they are solved\n' "$made" >&2
    exit 1
  elif [ "$changes" -eq 0 ]; then
    printf 'up to date: %s needs no change\n' "$vpc" >&2
  else
    printf 'done: %s in %s\n' "$made" "$vpc" >&2
  fi
}
