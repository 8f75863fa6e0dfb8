<?xml version="1.0"?>
<!-- SPDX-License-Identifier: GPL-3.0-or-later

     A domain as lines of "path: value", one for each attribute and each text, so that two of them
     can be compared line by line.  Disks go by their target, interfaces by their MAC address,
     controllers by type and index, and others of one name by their number. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="text" encoding="UTF-8"/>
  <xsl:strip-space elements="*"/>

  <xsl:template match="/domain">
    <xsl:apply-templates select="@* | node()"/>
  </xsl:template>

  <xsl:template match="*">
    <xsl:param name="path"/>
    <xsl:variable name="here">
      <xsl:value-of select="concat($path, '/', name())"/>
      <xsl:choose>
        <xsl:when test="parent::devices and self::disk">[<xsl:value-of select="target/@dev"/>]</xsl:when>
        <xsl:when test="parent::devices and self::interface">[<xsl:value-of select="mac/@address"/>]</xsl:when>
        <xsl:when test="self::controller">[<xsl:value-of select="concat(@type, ' ', @index)"/>]</xsl:when>
        <xsl:when test="self::emulator"/>
        <xsl:when test="parent::devices or count(../*[name() = name(current())]) &gt; 1">[<xsl:value-of select="count(preceding-sibling::*[name() = name(current())]) + 1"/>]</xsl:when>
      </xsl:choose>
    </xsl:variable>
    <xsl:if test="not(@* | node())">
      <xsl:call-template name="line"><xsl:with-param name="path" select="$here"/></xsl:call-template>
    </xsl:if>
    <xsl:apply-templates select="@* | node()">
      <xsl:with-param name="path" select="$here"/>
    </xsl:apply-templates>
  </xsl:template>

  <xsl:template match="@*">
    <xsl:param name="path"/>
    <xsl:call-template name="line">
      <xsl:with-param name="path" select="concat($path, '@', name())"/>
      <xsl:with-param name="value" select="."/>
    </xsl:call-template>
  </xsl:template>

  <xsl:template match="text()">
    <xsl:param name="path"/>
    <xsl:call-template name="line">
      <xsl:with-param name="path" select="$path"/>
      <xsl:with-param name="value" select="."/>
    </xsl:call-template>
  </xsl:template>

  <xsl:template match="comment() | processing-instruction()"/>

  <!-- The empty end of a chain says nothing, and libvirt adds and forgets it. -->
  <xsl:template match="backingStore[not(source)]"/>

  <xsl:template name="line">
    <xsl:param name="path"/>
    <xsl:param name="value"/>
    <xsl:value-of select="translate(concat($path, ': ', $value), '&#10;&#13;', '&#xfffd;&#xfffd;')"/>
    <xsl:text>&#10;</xsl:text>
  </xsl:template>
</xsl:stylesheet>
