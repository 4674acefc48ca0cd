import type { Frame } from '../../api/types';

/** Frames as they are read: one of the program, or a run of library frames that is folded. */
export type FrameGroup = { own: true; frame: Frame; at: number } | { own: false; frames: Frame[]; at: number };

/** Groups frames, the innermost first. */
export function groupFrames(frames: Frame[]): FrameGroup[] {
  const inner = frames.toReversed();
  // Some SDKs mark no frame as part of the program: then all of them are shown.
  const marked = inner.some(({ in_app: own }) => own);
  const result: FrameGroup[] = [];
  inner.forEach((frame, at) => {
    const last = result[result.length - 1];
    if (frame.in_app || !marked) result.push({ own: true, frame, at });
    else if (last && !last.own) last.frames.push(frame);
    else result.push({ own: false, frames: [frame], at });
  });
  return result;
}

/** Number of frames that are folded at first. */
export const countFolded = (groups: FrameGroup[]) => groups.reduce((sum, group) => sum + (group.own ? 0 : group.frames.length), 0);

/** A line of source code. Without a line number of the frame, lines have none. */
export interface SourceLine {
  no: number | null;
  text: string;
  here: boolean;
}

/** The frame's line with the lines around it; empty if the client did not send the line. */
export function sourceLinesOf({ lineno, context_line: line, pre_context: before, post_context: after }: Frame): SourceLine[] {
  if (line === null) return [];
  const texts = [...before, line, ...after];
  const here = before.length;
  return texts.map((text, at) => ({ no: lineno === null ? null : lineno - here + at, text, here: at === here }));
}

/** Where a frame is, as short as it is still found: file and line, otherwise module, package or address. */
export function frameLocation({ filename, abs_path: path, module, package: image, instruction_addr: address, lineno, colno }: Frame): string {
  const file = filename ?? path ?? module ?? image?.split(/[\\/]/).at(-1) ?? address ?? '';
  const line = lineno === null ? '' : `:${lineno}${colno === null ? '' : `:${colno}`}`;
  return file + line;
}

/** The first frame of the program from inside, or the innermost one. */
export const leadingFrame = (groups: FrameGroup[]): FrameGroup | undefined => groups.find(({ own }) => own) ?? groups[0];
