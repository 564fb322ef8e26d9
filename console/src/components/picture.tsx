import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, data } from "@/lib/api";
import { useObjectUrl } from "@/lib/object-url";
import type { NamedPicture } from "@/lib/prose";
import { Button } from "./ui/button";

const keyOf = (url: string) => ["picture", url];
// Its height is there before the picture is, so that nothing below moves when it comes.
const BOX = "flex h-72 flex-col items-center justify-center gap-2 border-t border-line p-3";

/** A picture that a text names: one that the text itself holds is shown, one from elsewhere when somebody asks.
 *  Spans only, because it stands where words do. */
export function Picture(picture: NamedPicture) {
  return picture.url.startsWith("data:") ? <Held {...picture} /> : <Elsewhere {...picture} />;
}

const CARD = "my-2 block w-full max-w-xl min-w-0 overflow-hidden rounded-xl border border-line bg-panel text-sm";

function Held({ url, alt }: NamedPicture) {
  return (
    <span className={CARD}>
      {alt && <span className="block px-3 py-2 break-words">{alt}</span>}
      <span className={`${BOX} ${alt ? "" : "border-t-0"}`}>
        <Shown address={url} alt={alt || "A picture within the text"} />
      </span>
    </span>
  );
}

/** Fetching an address tells its owner that it was read, and the address itself may carry what was said. */
function Elsewhere({ url, alt }: NamedPicture) {
  const queries = useQueryClient();
  // One that scrolled out of sight and comes back is still there, and is not asked for again.
  const [isShown, setIsShown] = useState(() => queries.getQueryData(keyOf(url)) !== undefined);
  const { host } = new URL(url);
  const action = isShown ? "Hide picture" : "Show picture";
  const name = (alt || host).slice(0, 100);
  return (
    <span className={CARD}>
      <span className="flex flex-wrap items-center gap-x-3 gap-y-2 p-2 pl-3">
        <span className="min-w-0 flex-1 basis-40">
          <span className="line-clamp-3 break-words">{alt || "A picture"}</span>
          <a href={url} target="_blank" rel="noreferrer noopener" className="block truncate">
            {host}
          </a>
        </span>
        <Button
          size="small"
          aria-expanded={isShown}
          aria-label={`${action}: ${name}`}
          onClick={() => setIsShown(!isShown)}
        >
          {action}
        </Button>
      </span>
      {isShown && (
        <span className={BOX}>
          <Fetched url={url} alt={name} />
        </span>
      )}
    </span>
  );
}

/** The server fetches it, so that its owner sees the server and nobody who reads. */
function Fetched({ url, alt }: NamedPicture) {
  const picture = useQuery({
    queryKey: keyOf(url),
    queryFn: ({ signal }) =>
      data<Blob>(api.GET("/v1/pictures", { params: { query: { url } }, parseAs: "blob", signal })),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
    retry: false,
  });
  if (picture.data) return <File file={picture.data} alt={alt} />;
  if (!picture.error || picture.isFetching) {
    return (
      <span role="status" className="text-soft">
        Fetching the picture
      </span>
    );
  }
  return (
    <>
      <span role="alert" className="max-h-44 overflow-y-auto text-center break-words text-bad">
        {picture.error.message}
      </span>
      <Button size="small" onClick={() => void picture.refetch()}>
        Try again
      </Button>
    </>
  );
}

function File({ file, alt }: { file: Blob; alt: string }) {
  const address = useObjectUrl(file);
  return address && <Shown address={address} alt={alt} />;
}

function Shown({ address, alt }: { address: string; alt: string }) {
  const [isBroken, setIsBroken] = useState(false);
  if (isBroken) {
    return (
      <span role="alert" className="text-bad">
        The browser cannot read this picture; it may be damaged.
      </span>
    );
  }
  return (
    <img
      src={address}
      alt={alt}
      className="max-h-full min-h-0 max-w-full rounded bg-white object-contain"
      onError={() => setIsBroken(true)}
    />
  );
}
